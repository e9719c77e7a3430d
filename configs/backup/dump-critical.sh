#!/bin/sh
# The quarterly dump of the tables nobody may lose, readable without this server's version, pgBackRest or its
# passphrases. Each dump is one file in pg_restore's custom format, with its checksum in SHA256SUMS.
# usage: dump-critical.sh DATABASE FOLDER     DATABASE: a name, or a connection string
set -eu
database=${1:?usage: dump-critical.sh DATABASE FOLDER}
folder=${2:?usage: dump-critical.sh DATABASE FOLDER}
list=$(dirname -- "$0")/critical-tables.txt
umask 077
mkdir -p -- "$folder"
name=oneclick-critical-$(date -u +%Y%m%dT%H%M%SZ)
set --
while read -r table; do
  case $table in '' | '#'*) ;; *) set -- "$@" "--table=$table" ;; esac
done <"$list"
# One snapshot for all of it; under another name until it is whole. A table that is not there is an error.
pg_dump --format=custom --data-only --no-owner --strict-names --lock-wait-timeout=60s "$@" \
  --file="$folder/$name.partial" --dbname="$database"
pg_restore --list "$folder/$name.partial" >/dev/null
mv -- "$folder/$name.partial" "$folder/$name.dump"
(cd -- "$folder" && sha256sum "$name.dump" >>SHA256SUMS)
echo "$folder/$name.dump"
