import SQL

extension RegistrySchema {
    static let access = Migration(
        "create accounts, groups, rights, tokens, sessions and the audit log",
        [
            // hash: a password in crypt(5) form, or the SHA-256 of a robot's random secret.
            """
            CREATE TABLE accounts (
                name TEXT PRIMARY KEY, kind TEXT NOT NULL, hash TEXT NOT NULL, administrator INTEGER NOT NULL,
                disabled INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL, expires INTEGER)
            """,
            "CREATE TABLE account_groups (name TEXT PRIMARY KEY, created INTEGER NOT NULL)",
            """
            CREATE TABLE group_members (
                group_name TEXT NOT NULL REFERENCES account_groups (name) ON DELETE CASCADE,
                account TEXT NOT NULL REFERENCES accounts (name) ON DELETE CASCADE,
                PRIMARY KEY (group_name, account))
            """,
            // subject: `user:ann`, `robot:ci`, `group:dev`, `authenticated`, `anonymous`. actions: with commas.
            """
            CREATE TABLE access_rules (
                id INTEGER PRIMARY KEY, subject TEXT NOT NULL, pattern TEXT NOT NULL, actions TEXT NOT NULL,
                created INTEGER NOT NULL, UNIQUE (subject, pattern))
            """,
            """
            CREATE TABLE refresh_tokens (
                hash TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts (name) ON DELETE CASCADE,
                client TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL)
            """,
            """
            CREATE TABLE sessions (
                hash TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts (name) ON DELETE CASCADE,
                created INTEGER NOT NULL, expires INTEGER NOT NULL)
            """,
            """
            CREATE TABLE audit (
                id INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, address TEXT NOT NULL,
                action TEXT NOT NULL, subject TEXT NOT NULL, detail TEXT NOT NULL)
            """,
            // One row: counts changes of accounts, groups and rights, so that a server sees those of other processes.
            "CREATE TABLE access_generation (value INTEGER NOT NULL)",
            "INSERT INTO access_generation (value) VALUES (1)",
        ])
}
