#!/usr/bin/env bash
# Does the vault get slower as it grows? Fills a database with bookings of past events and measures, at each size, what a sale and a
# purge cost. The figures are in docs/performance.md.
#   PGHOST=... PGPORT=... PGUSER=postgres loadtest/vault/growth.sh [MILLIONS...]
# A superuser of a PostgreSQL that nobody else uses; it makes the database te_growth, and drops it at the end.
# A million bookings take about 1 GB.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
migrations="$here/../../migrations"
database=te_growth
seconds=${SECONDS_EACH:-20}
clients=4
seats=10000 # of a past event; each booking has two

sql() { psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --dbname=$database "$@"; }

# bench SCRIPT [ARGUMENT...]: what pgbench says of it.
bench() {
    local script=$1
    shift
    pgbench --no-vacuum --protocol=prepared --file="$here/$script" "$@" $database 2>/dev/null
}

latency_ms() { sed -n 's/^latency average = \(.*\) ms$/\1/p'; }
rate() { sed -n 's/^tps = \([0-9]*\).*/\1/p'; }

make_database() {
    psql --no-psqlrc --quiet --dbname=postgres --command="DROP DATABASE IF EXISTS $database" \
        --command="CREATE DATABASE $database"
    for file in "$migrations"/V*.sql; do sql --file="$file"; done
    sql --command="CREATE EXTENSION pageinspect" --command="CREATE EXTENSION IF NOT EXISTS pg_prewarm"
}

# fill FROM TO: past events by their numbers, with all their seats, sold out.
fill() {
    sql --set=from="$1" --set=to="$2" --set=seats=$seats --file="$here/fill.sql"
    sql --command="VACUUM (ANALYZE) events, seats, bookings, booked_seats"
}

# What one booking takes on disk, and how deep its indexes are.
sizes() {
    sql --field-separator=' | ' <<'SQL'
SELECT relname, reltuples::bigint AS rows, pg_size_pretty(pg_total_relation_size(oid)) AS size,
       round(pg_table_size(oid) / reltuples) AS table_bytes_a_row, round(pg_indexes_size(oid) / reltuples) AS index_bytes_a_row
  FROM pg_class WHERE relname IN ('seats', 'bookings', 'booked_seats') ORDER BY relname;
SELECT i.relname, m.level + 1 AS pages_from_root_to_leaf, pg_size_pretty(pg_relation_size(i.oid)) AS size
  FROM pg_class i JOIN pg_index x ON x.indexrelid = i.oid JOIN pg_class t ON t.oid = x.indrelid,
       LATERAL bt_metap(i.relname) AS m
 WHERE t.relname IN ('seats', 'bookings', 'booked_seats') ORDER BY i.relname;
SQL
}

# A sale in an event of 100,000 seats, while the past lies beside it.
sale() {
    sql --set=from=0 --set=to=0 --set=seats=100000 --file="$here/hot.sql"
    bench decide.sql --client=$clients --jobs=2 --time="$seconds" --define=n=0 --define=clients=$clients | rate
}

# The pages that one decision touches: what a busy machine does not change. The first call of a session makes its plans.
pages() {
    local decide="SELECT count(*) FROM vault_decide(ARRAY['hot.1.x'], ARRAY['hot'], ARRAY['customer'], ARRAY['request'],
        ARRAY[1]::bigint[], ARRAY['{99999}'], ARRAY['payment'], ARRAY[NULL]::text[], false);"
    sql --command="BEGIN; $decide ROLLBACK; BEGIN; EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) $decide ROLLBACK" |
        sed -n 's/.*Buffers: //p' | head -n 1
}

# purge EVENT: seconds, and bytes of WAL.
purge() {
    local before began
    before=$(sql --command="SELECT pg_current_wal_lsn()")
    began=$EPOCHREALTIME
    sql --set=event="$1" --file="$here/purge.sql"
    echo "$(((${EPOCHREALTIME/./} - ${began/./}) / 1000)) ms, $(sql --command="SELECT pg_size_pretty(pg_current_wal_lsn() - '$before')") of WAL"
}

measure() {
    local events=$1
    echo "== $(sql --command="SELECT count(*) FROM bookings") bookings of $events events"
    sizes
    echo "decisions/s one by one, $clients clients: $(sale)"
    echo "pages of one decision: $(pages)"
    sql --command="CHECKPOINT"
    for what in rebuild list list_of_customer; do
        echo "$what: $(bench "$what.sql" --time=10 --define=events="$events" | latency_ms) ms"
    done
    echo "purge of the sale: $(purge hot)"
    echo "purge of a past event: $(purge past-000001)"
    sql --command="VACUUM (ANALYZE) seats, bookings, booked_seats"
    fill 1 1
}

main() {
    local filled=0 wanted
    (($# > 0)) || set -- 1 3 5
    make_database
    for millions in "$@"; do
        wanted=$((millions * 1000000 / (seats / 2)))
        fill $((filled + 1)) $wanted
        filled=$wanted
        measure $filled
    done
    psql --no-psqlrc --quiet --dbname=postgres --command="DROP DATABASE $database"
}

main "$@"
