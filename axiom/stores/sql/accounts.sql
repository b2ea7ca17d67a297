-- :put_account add an account, or give it another password and role; its logins end
WITH ended AS (DELETE FROM sessions WHERE account = %(name)s)
INSERT INTO accounts (name, role, password_hash, created_by)
VALUES (%(name)s, %(role)s, %(password_hash)s, %(by)s)
ON CONFLICT (name) DO UPDATE
SET role = excluded.role, password_hash = excluded.password_hash;

-- :rehash keep the same password in another form
UPDATE accounts SET password_hash = %(password_hash)s WHERE name = %(name)s;

-- :account one account
SELECT * FROM accounts WHERE name = %(name)s;

-- :accounts all of them, with how many logins are open
SELECT name, role, created_at, created_by,
       (SELECT count(*) FROM sessions WHERE account = name) AS sessions,
       (SELECT max(seen_at) FROM sessions WHERE account = name) AS seen_at
FROM accounts ORDER BY name LIMIT 1000;

-- :remove_account and with it its logins
DELETE FROM accounts WHERE name = %(name)s;

-- :open_session keep a login; those that are over are swept away by the way
WITH swept AS (
    DELETE FROM sessions WHERE seen_at < clock_timestamp() - %(idle)s::interval
        OR created_at < clock_timestamp() - %(longest)s::interval
)
INSERT INTO sessions (secret_hash, account, address, browser)
VALUES (%(secret_hash)s, %(name)s, %(address)s, %(browser)s);

-- :session who is logged in by this secret, if it is not over
SELECT accounts.name, accounts.role, sessions.created_at, sessions.seen_at
FROM sessions JOIN accounts ON accounts.name = sessions.account
WHERE secret_hash = %(secret_hash)s
  AND seen_at >= clock_timestamp() - %(idle)s::interval
  AND sessions.created_at >= clock_timestamp() - %(longest)s::interval;

-- :seen the login is in use; a row is not written at every page
UPDATE sessions SET seen_at = clock_timestamp()
WHERE secret_hash = %(secret_hash)s AND seen_at < clock_timestamp() - interval '1 minute';

-- :sessions of one account
SELECT created_at, seen_at, address, browser FROM sessions
WHERE account = %(name)s ORDER BY seen_at DESC LIMIT 100;

-- :end_session log out
DELETE FROM sessions WHERE secret_hash = %(secret_hash)s;

-- :end_sessions log out everywhere
DELETE FROM sessions WHERE account = %(name)s;

-- :put_token keep a token; a name is used once
INSERT INTO api_tokens (name, secret_hash, role, created_by)
VALUES (%(name)s, %(secret_hash)s, %(role)s, %(by)s) ON CONFLICT DO NOTHING;

-- :token who asks with this secret
WITH used AS (
    UPDATE api_tokens SET used_at = clock_timestamp()
    WHERE secret_hash = %(secret_hash)s
      AND (used_at IS NULL OR used_at < clock_timestamp() - interval '1 minute')
)
SELECT name, role FROM api_tokens WHERE secret_hash = %(secret_hash)s;

-- :tokens all of them
SELECT name, role, created_at, created_by, used_at FROM api_tokens ORDER BY name LIMIT 1000;

-- :remove_token it stops working at once
DELETE FROM api_tokens WHERE name = %(name)s;
