// Binance's official connector, unmodified but for its addresses, trades on the paper exchange.
// usage: node binance.mjs HOST:PORT API_KEY API_SECRET CA_FILE
import https from "node:https";
import fs from "node:fs";
import { Spot } from "@binance/spot";
const [base, key, secret, ca] = process.argv.slice(2);
const assert = (ok, what) => { if (!ok) { console.error("FAILED: " + what); process.exit(1); } };
const agent = new https.Agent({ ca: fs.readFileSync(ca) });
const client = new Spot({
  configurationRestAPI: { apiKey: key, apiSecret: secret, basePath: "https://" + base, httpsAgent: agent },
  configurationWebsocketAPI: { apiKey: key, apiSecret: secret, wsURL: `wss://${base}/ws-api/v3`, agent },
});
const rest = client.restAPI;
assert((await (await rest.time()).data()).serverTime > 0, "time");
const info = await (await rest.exchangeInfo({ symbol: "BTCUSDT" })).data();
assert(info.symbols[0].symbol === "BTCUSDT", "exchangeInfo");
const bought = await (await rest.newOrder({ symbol: "BTCUSDT", side: "BUY", type: "MARKET", quantity: 0.01 })).data();
assert(bought.status === "FILLED" && bought.fills.length > 0, "newOrder " + JSON.stringify(bought));
const account = await (await rest.getAccount()).data();
assert(account.balances.some((b) => b.asset === "BTC" && Number(b.free) > 0), "getAccount");
const trades = await (await rest.myTrades({ symbol: "BTCUSDT" })).data();
assert(trades.length > 0, "myTrades");
try {
  await rest.newOrder({ symbol: "BTCUSDT", side: "BUY", type: "MARKET", quantity: 0.000001 });
  assert(false, "a quantity below the lot is refused");
} catch (e) { assert(/LOT_SIZE|NOTIONAL/.test(e.message), "refusal " + e.message); }
const ws = await client.websocketAPI.connect();
const placed = await ws.orderPlace({ symbol: "BTCUSDT", side: "BUY", type: "LIMIT", timeInForce: "GTC", quantity: 0.001, price: 20000 });
assert(placed.data.status === "NEW", "orderPlace " + JSON.stringify(placed.data));
const asked = await ws.orderStatus({ symbol: "BTCUSDT", orderId: placed.data.orderId });
assert(asked.data.status === "NEW", "orderStatus");
const cancelled = await ws.orderCancel({ symbol: "BTCUSDT", orderId: placed.data.orderId });
assert(cancelled.data.status === "CANCELED", "orderCancel");
console.log("ok");
await ws.disconnect?.();
process.exit(0);
