-- What was taken out of sealed audit rows when a person was erased. The chain stays as it is and keeps the hash of
-- the row as it was written; this says which hash it has since, signed outside under a key that the database never
-- sees. A change that is not here, or not signed, is an alteration.

CREATE TABLE engine.audit_redactions (
  source text NOT NULL,
  row_id uuid NOT NULL,
  row_hash bytea NOT NULL,
  redacted_hash bytea NOT NULL,
  redacted_at timestamptz NOT NULL,
  key_id text NOT NULL,
  signature bytea NOT NULL,
  PRIMARY KEY (source, row_id)
);
COMMENT ON TABLE engine.audit_redactions IS
  'Sealed audit rows from which an erased person''s data was taken, signed by `oneclick maintain --erase-user`.';
COMMENT ON COLUMN engine.audit_redactions.source IS 'audit_logs or security_events.';
COMMENT ON COLUMN engine.audit_redactions.row_id IS 'The row.';
COMMENT ON COLUMN engine.audit_redactions.row_hash IS 'Its hash as it was written; the chain has this one.';
COMMENT ON COLUMN engine.audit_redactions.redacted_hash IS 'Its hash since.';
COMMENT ON COLUMN engine.audit_redactions.redacted_at IS 'When.';
COMMENT ON COLUMN engine.audit_redactions.key_id IS 'The master key that signed.';
COMMENT ON COLUMN engine.audit_redactions.signature IS 'HMAC-SHA256 over the columns before.';

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_engine') THEN
    REVOKE ALL ON engine.audit_redactions FROM oneclick_engine;
  END IF;
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_readonly') THEN
    GRANT SELECT ON engine.audit_redactions TO oneclick_readonly;
  END IF;
END $$;
