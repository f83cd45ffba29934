#!/bin/sh
# Formats the data directory, once, then becomes Kafka.
set -eu

bin=/opt/kafka/bin
properties=/etc/ticketengine/kafka.properties
# Any 16 bytes in base64: one broker is no cluster that somebody could join by mistake.
"$bin/kafka-storage.sh" format --ignore-formatted --cluster-id dGlja2V0ZW5naW5lMDAwMQ --config "$properties"
exec "$bin/kafka-server-start.sh" "$properties"
