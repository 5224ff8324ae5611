import SQL

extension RegistrySchema {
    static let versions = Migration(
        "create immutable tags, retention policies and quotas",
        [
            "CREATE TABLE immutable_tags (pattern TEXT NOT NULL, tags TEXT NOT NULL, PRIMARY KEY (pattern, tags))",
            // rules: JSON of RetentionPolicy's rules.
            "CREATE TABLE retention_policies (pattern TEXT PRIMARY KEY, rules TEXT NOT NULL, updated INTEGER NOT NULL)",
            // A pattern's repositories together may hold so many bytes, each blob counted once.
            "CREATE TABLE quotas (pattern TEXT PRIMARY KEY, bytes INTEGER NOT NULL)",
            // When a tag was last pulled; written now and then, not with every pull.
            """
            CREATE TABLE tag_pulls (
                repository INTEGER NOT NULL REFERENCES repositories (id), tag TEXT NOT NULL, pulled INTEGER NOT NULL,
                count INTEGER NOT NULL, PRIMARY KEY (repository, tag))
            """,
        ])

    static let references = Migration(
        "remember what a manifest may lack, and order tags whatever their case",
        [
            // absent: the manifest was taken without it, by the policy of then; it may have come since.
            "ALTER TABLE manifest_references ADD COLUMN absent INTEGER NOT NULL DEFAULT 0",
            "CREATE INDEX tags_order ON tags (repository, lower(name), name)",
        ])

    static let webhooks = Migration(
        "create webhooks and their deliveries",
        [
            // kinds: with commas, empty for all. position: the last event that was looked at.
            """
            CREATE TABLE webhooks (
                id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, url TEXT NOT NULL, secret TEXT NOT NULL,
                pattern TEXT NOT NULL, kinds TEXT NOT NULL, created INTEGER NOT NULL, disabled INTEGER NOT NULL DEFAULT 0,
                position INTEGER NOT NULL)
            """,
            // state: `waiting`, `delivered`, `failed`. attempted: the last attempt; next: the next one.
            """
            CREATE TABLE deliveries (
                id INTEGER PRIMARY KEY, webhook INTEGER NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
                event INTEGER NOT NULL, repository TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
                created INTEGER NOT NULL, first INTEGER, attempted INTEGER, next INTEGER NOT NULL, status INTEGER,
                answer TEXT)
            """,
            "CREATE INDEX deliveries_due ON deliveries (webhook, state, repository, id)",
        ])

    static let historyOfDigests = Migration(
        "index tag history by digest",
        // Garbage collection asks of every manifest without a tag which tags ever named it.
        ["CREATE INDEX tag_history_digest ON tag_history (repository, digest)"])
}
