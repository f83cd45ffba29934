#!/bin/sh
# Makes the owner, the service's role and the database, when PostgreSQL makes its data.
set -eu

psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username=postgres --dbname=postgres <<'SQL'
\getenv owner_password OWNER_PASSWORD
\getenv service_password SERVICE_PASSWORD
CREATE ROLE ticketengine LOGIN PASSWORD :'owner_password';
CREATE ROLE ticketengine_service LOGIN PASSWORD :'service_password';
CREATE DATABASE ticketengine OWNER ticketengine;
SQL
