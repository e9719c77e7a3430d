-- What instruments are, and names that venues have for symbols of others.

ALTER TABLE engine.instruments
  ADD COLUMN kind text NOT NULL DEFAULT 'spot' CHECK (kind IN ('spot', 'linear')),
  ADD COLUMN leverage_max numeric(5,2) NOT NULL DEFAULT 1 CHECK (leverage_max >= 1),
  ADD COLUMN contract_size numeric(20,8) NOT NULL DEFAULT 1 CHECK (contract_size > 0);

COMMENT ON COLUMN engine.instruments.kind IS
  'spot; linear: contracts for the base asset, margined and settled in the quote, that can be sold short.';
COMMENT ON COLUMN engine.instruments.leverage_max IS
  'Times the margin that positions may be worth at most. 1: the venue does not lend.';
COMMENT ON COLUMN engine.instruments.contract_size IS
  'Base units in one contract of the venue. All quantities here are base units.';
COMMENT ON TABLE engine.symbol_map IS
  'What a venue lists as venue_symbol copies what leaders elsewhere trade as symbol. Rows are made for each instrument; whoever wants another symbol copied by it writes that in its place.';

SELECT engine.watch_table('engine.symbol_map', 'concat(r.venue, ''|'', r.venue_symbol)', 'symbol');
