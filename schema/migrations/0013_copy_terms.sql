-- Terms of copy links beyond the leader's quantity: sizes of their own.

ALTER TABLE engine.copy_links
  ADD COLUMN copy_quantity numeric(20,8) CHECK (copy_quantity > 0);

ALTER TABLE engine.copy_links
  ADD CONSTRAINT copy_links_fixed_quantity_has_one
    CHECK (sizing_mode <> 'fixed_quantity' OR copy_quantity IS NOT NULL) NOT VALID,
  ADD CONSTRAINT copy_links_fixed_amount_has_one
    CHECK (sizing_mode NOT IN ('fixed_notional', 'fixed_risk') OR copy_amount IS NOT NULL) NOT VALID;
ALTER TABLE engine.copy_links VALIDATE CONSTRAINT copy_links_fixed_quantity_has_one;
ALTER TABLE engine.copy_links VALIDATE CONSTRAINT copy_links_fixed_amount_has_one;

COMMENT ON COLUMN engine.copy_links.copy_quantity IS
  'Base units bought for each order of the leader or signal, for sizing_mode fixed_quantity.';
