// ccxt, unmodified but for its addresses, trades on the paper exchange.
// usage: node ccxt.mjs HOST:PORT API_KEY API_SECRET, with NODE_EXTRA_CA_CERTS
import ccxt from "ccxt";

const [base, key, secret] = process.argv.slice(2);
const assert = (ok, what) => {
  if (ok) return;
  console.error("FAILED: " + what);
  process.exit(1);
};

const ex = new ccxt.pro.binance({
  apiKey: key,
  secret,
  enableRateLimit: false,
  options: { fetchMargins: false, fetchMarkets: { types: ["spot"] }, fetchCurrencies: false, defaultType: "spot",
             ws: { options: { rejectUnauthorized: false } } },
});
ex.has.fetchCurrencies = false;
const toPaper = (url) => url
  .replace(/^https:\/\/[^/]+/, "https://" + base)
  .replace(/^wss:\/\/ws-api[^/]*\/ws-api\/v3/, `wss://${base}/ws-api/v3`)
  .replace(/^wss:\/\/stream[^/]*(\/ws|\/stream)?$/, `wss://${base}/ws`);
const rewrite = (node) => {
  for (const name of Object.keys(node)) {
    if (typeof node[name] === "string") node[name] = toPaper(node[name]);
    else if (node[name] && typeof node[name] === "object") rewrite(node[name]);
  }
};
rewrite(ex.urls.api);

await ex.loadMarkets();
assert(ex.markets["BTC/USDT"], "BTC/USDT is a market");
const balance = await ex.fetchBalance();
assert(balance.USDT.free === 100000, "fetchBalance " + JSON.stringify(balance.USDT));
const book = await ex.fetchOrderBook("BTC/USDT", 5);
assert(book.bids[0][0] < book.asks[0][0], "fetchOrderBook");
assert((await ex.fetchTicker("BTC/USDT")).bid > 0, "fetchTicker");
const market = await ex.createOrder("BTC/USDT", "market", "buy", 0.01);
assert(market.status === "closed" && market.filled === 0.01, "market order " + JSON.stringify(market));
const price = Math.floor(book.bids[0][0] * 0.9);
const limit = await ex.createOrder("BTC/USDT", "limit", "buy", 0.001, price);
assert(limit.status === "open", "limit order " + JSON.stringify(limit));
assert((await ex.fetchOpenOrders("BTC/USDT")).length === 1, "fetchOpenOrders");
assert((await ex.fetchOrder(limit.id, "BTC/USDT")).status === "open", "fetchOrder");
assert((await ex.cancelOrder(limit.id, "BTC/USDT")).status === "canceled", "cancelOrder");
assert((await ex.fetchMyTrades("BTC/USDT")).length >= 1, "fetchMyTrades");

// Orders are watched over its WebSocket: one that rests first shows that watching has begun.
const watching = ex.watchOrders("BTC/USDT");
const seen = await Promise.race([
  watching,
  (async () => {
    for (let i = 0; i < 20; ++i) {
      await ex.createOrderWs("BTC/USDT", "market", "sell", 0.0005);
      await new Promise((done) => setTimeout(done, 250));
    }
    return [];
  })(),
]);
assert(seen.length > 0 && seen[0].symbol === "BTC/USDT", "watchOrders " + JSON.stringify(seen));
console.log("ok");
await ex.close();
process.exit(0);
