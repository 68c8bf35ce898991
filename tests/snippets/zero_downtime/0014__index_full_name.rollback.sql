-- flamingock: transaction=false
DROP INDEX CONCURRENTLY users_full_name;
