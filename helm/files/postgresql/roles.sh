#!/bin/sh
# Makes the owner, the service's role and the database where they are not there, and sets the passwords.
set -eu

# The server that the image starts to make its data does not listen here.
until pg_isready --quiet --host=127.0.0.1; do sleep 1; done

# As superuser, by the pod's own socket. Statements are not logged: they have the passwords in them.
exec psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username=postgres --dbname=postgres <<'SQL'
SET log_statement = none;
SET log_min_error_statement = panic;
\getenv service_role SERVICE_ROLE
\getenv owner_password OWNER_PASSWORD
\getenv service_password SERVICE_PASSWORD
SELECT 'CREATE ROLE ticketengine LOGIN'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ticketengine') \gexec
SELECT format('CREATE ROLE %I LOGIN', :'service_role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'service_role') \gexec
ALTER ROLE ticketengine PASSWORD :'owner_password';
ALTER ROLE :"service_role" PASSWORD :'service_password';
ALTER ROLE postgres PASSWORD NULL;
SELECT 'CREATE DATABASE ticketengine OWNER ticketengine'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'ticketengine') \gexec
SQL
