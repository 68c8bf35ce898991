SELECT started_at, change_id, state, origin, operator, reason, author, host, app_version
FROM flamingock_audit
WHERE service = 'orders'
ORDER BY seq;
