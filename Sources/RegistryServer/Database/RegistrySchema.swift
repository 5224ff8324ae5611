import SQL

/// The tables of a registry. Steps are append-only.
///
/// Times are milliseconds since 1970. What is deleted by a request keeps its row with the time in `deleted` until garbage
/// collection takes it after the grace time, so that a deleted tag can be brought back whole.
enum RegistrySchema {
    static let migrations = [
        Migration(
            "create repositories, blobs, manifests, tags, tag history, uploads and events",
            [
                """
                CREATE TABLE repositories (
                    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, created INTEGER NOT NULL)
                """,
                // A row stands for bytes that are in the blob storage, durably.
                "CREATE TABLE blobs (digest TEXT PRIMARY KEY, size INTEGER NOT NULL, stored INTEGER NOT NULL)",
                """
                CREATE TABLE repository_blobs (
                    repository INTEGER NOT NULL REFERENCES repositories (id),
                    digest TEXT NOT NULL REFERENCES blobs (digest),
                    touched INTEGER NOT NULL, deleted INTEGER,
                    PRIMARY KEY (repository, digest))
                """,
                "CREATE INDEX repository_blobs_digest ON repository_blobs (digest)",
                "CREATE TABLE manifests (digest TEXT PRIMARY KEY, size INTEGER NOT NULL, bytes BLOB NOT NULL)",
                """
                CREATE TABLE repository_manifests (
                    repository INTEGER NOT NULL REFERENCES repositories (id),
                    digest TEXT NOT NULL REFERENCES manifests (digest),
                    media_type TEXT NOT NULL, subject TEXT, artifact_type TEXT, annotations TEXT,
                    pushed INTEGER NOT NULL, pusher TEXT NOT NULL, pulled INTEGER, deleted INTEGER,
                    PRIMARY KEY (repository, digest))
                """,
                "CREATE INDEX repository_manifests_digest ON repository_manifests (digest)",
                """
                CREATE INDEX repository_manifests_subject ON repository_manifests (repository, subject)
                WHERE subject IS NOT NULL
                """,
                // kind: `blob` or `manifest`. What a manifest needs to be whole; a subject is none.
                """
                CREATE TABLE manifest_references (
                    repository INTEGER NOT NULL, manifest TEXT NOT NULL, digest TEXT NOT NULL, kind TEXT NOT NULL,
                    PRIMARY KEY (repository, manifest, digest),
                    FOREIGN KEY (repository, manifest) REFERENCES repository_manifests (repository, digest))
                """,
                "CREATE INDEX manifest_references_digest ON manifest_references (repository, digest)",
                """
                CREATE TABLE tags (
                    repository INTEGER NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, updated INTEGER NOT NULL,
                    PRIMARY KEY (repository, name),
                    FOREIGN KEY (repository, digest) REFERENCES repository_manifests (repository, digest))
                """,
                "CREATE INDEX tags_digest ON tags (repository, digest)",
                // digest is null where the tag was removed; at is in seconds. previous and hash: see HistoryEntry.
                """
                CREATE TABLE tag_history (
                    id INTEGER PRIMARY KEY, repository INTEGER NOT NULL REFERENCES repositories (id),
                    sequence INTEGER NOT NULL, tag TEXT NOT NULL, digest TEXT, actor TEXT NOT NULL,
                    at INTEGER NOT NULL, previous TEXT, hash TEXT NOT NULL, UNIQUE (repository, sequence))
                """,
                "CREATE INDEX tag_history_tag ON tag_history (repository, tag)",
                """
                CREATE TABLE uploads (
                    id TEXT PRIMARY KEY, repository INTEGER NOT NULL REFERENCES repositories (id),
                    algorithm TEXT NOT NULL, started INTEGER NOT NULL)
                """,
                """
                CREATE TABLE events (
                    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, repository TEXT NOT NULL,
                    actor TEXT NOT NULL, tag TEXT, digest TEXT, previous TEXT, media_type TEXT, size INTEGER)
                """,
            ]),
        access, versions, webhooks, references, historyOfDigests,
    ]
}
