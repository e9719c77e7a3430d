#!/bin/sh
# The quarterly dump of the tables nobody may lose: people, money and trades, readable without this server's
# version, pgBackRest or its passphrases. Each dump is one file in pg_restore's custom format, and a list of
# checksums beside it. usage: dump-critical.sh FOLDER   (connects as PGHOST, PGPORT, PGUSER, PGDATABASE say)
set -eu
folder=${1:?usage: dump-critical.sh FOLDER}
mkdir -p -- "$folder"
name=oneclick-critical-$(date -u +%Y%m%dT%H%M%SZ)
tables=
for table in users user_profiles user_settings user_exchanges supported_exchanges portfolios \
  portfolio_positions trades trade_history premium_channels subscriptions subscription_history \
  payment_methods payments invoices trading_signals signal_updates signal_followers user_follows \
  audit_logs security_events; do
  tables="$tables --table=public.$table"
done
for table in copy_links leader_feeds leader_events copy_outcomes external_fills sink_offsets \
  audit_chain audit_checkpoints audit_archive invoice_numbers; do
  tables="$tables --table=engine.$table"
done
# One snapshot for all of it. Under another name until it is whole.
umask 077
# shellcheck disable=SC2086
pg_dump --format=custom --data-only --no-owner --lock-wait-timeout=60s $tables \
  --file="$folder/$name.partial"
pg_restore --list "$folder/$name.partial" >/dev/null
mv -- "$folder/$name.partial" "$folder/$name.dump"
(cd -- "$folder" && sha256sum "$name.dump" >>SHA256SUMS)
echo "$folder/$name.dump"
