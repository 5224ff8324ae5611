import SQL

/// The metadata database's schema. Released steps are never edited, only followed.
///
/// What the rows say can be derived again from `index.json`, the blobs and the layers, except the journal of steps. Rows
/// whose truth lies nowhere else carry a `seal` over their own fields, so that a flipped byte in one is noticed.
enum Schema {
    static let migrations = [
        Migration(
            "create images, layers, manifests, references and the journal",
            [
                // One step of the journal: what `image undo` takes back.
                """
                CREATE TABLE steps (
                    id INTEGER PRIMARY KEY AUTOINCREMENT,
                    at INTEGER NOT NULL,
                    action TEXT NOT NULL,
                    until INTEGER NOT NULL,
                    undone INTEGER NOT NULL DEFAULT 0,
                    seal TEXT NOT NULL)
                """,
                // `removed_step` marks an image that was removed and is kept for undo.
                """
                CREATE TABLE images (
                    id INTEGER PRIMARY KEY,
                    config_digest TEXT NOT NULL UNIQUE,
                    config_type TEXT NOT NULL,
                    config_size INTEGER NOT NULL,
                    os TEXT NOT NULL,
                    architecture TEXT NOT NULL,
                    variant TEXT,
                    os_version TEXT,
                    created INTEGER,
                    size INTEGER NOT NULL,
                    added INTEGER NOT NULL,
                    removed_step INTEGER REFERENCES steps (id))
                """,
                """
                CREATE TABLE image_labels (
                    image INTEGER NOT NULL REFERENCES images (id) ON DELETE CASCADE,
                    name TEXT NOT NULL,
                    value TEXT NOT NULL,
                    PRIMARY KEY (image, name)) WITHOUT ROWID
                """,
                """
                CREATE TABLE layers (
                    id INTEGER PRIMARY KEY,
                    diff_id TEXT NOT NULL UNIQUE,
                    size INTEGER NOT NULL,
                    files INTEGER NOT NULL)
                """,
                """
                CREATE TABLE image_layers (
                    image INTEGER NOT NULL REFERENCES images (id) ON DELETE CASCADE,
                    position INTEGER NOT NULL,
                    layer INTEGER NOT NULL REFERENCES layers (id),
                    PRIMARY KEY (image, position)) WITHOUT ROWID
                """,
                "CREATE INDEX image_layers_by_layer ON image_layers (layer)",
                // One image may have several manifests: the same config with other compressions or media types.
                """
                CREATE TABLE manifests (
                    id INTEGER PRIMARY KEY,
                    image INTEGER NOT NULL REFERENCES images (id) ON DELETE CASCADE,
                    digest TEXT NOT NULL UNIQUE,
                    media_type TEXT NOT NULL,
                    size INTEGER NOT NULL)
                """,
                "CREATE INDEX manifests_by_image ON manifests (image)",
                """
                CREATE TABLE manifest_layers (
                    manifest INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
                    position INTEGER NOT NULL,
                    digest TEXT NOT NULL,
                    media_type TEXT NOT NULL,
                    size INTEGER NOT NULL,
                    PRIMARY KEY (manifest, position)) WITHOUT ROWID
                """,
                "CREATE INDEX manifest_layers_by_digest ON manifest_layers (digest)",
                // Repositories that have the manifest and its blobs: where a damaged one is fetched again.
                """
                CREATE TABLE manifest_sources (
                    manifest INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
                    repository TEXT NOT NULL,
                    PRIMARY KEY (manifest, repository)) WITHOUT ROWID
                """,
                // Full names with a tag or a digest. The target is what the registry served under the name: the manifest, or
                // the index that led to it.
                """
                CREATE TABLE refs (
                    name TEXT PRIMARY KEY,
                    manifest INTEGER NOT NULL REFERENCES manifests (id),
                    target_digest TEXT NOT NULL,
                    target_type TEXT NOT NULL,
                    target_size INTEGER NOT NULL,
                    updated INTEGER NOT NULL,
                    seal TEXT NOT NULL) WITHOUT ROWID
                """,
                "CREATE INDEX refs_by_manifest ON refs (manifest)",
                // What a step did to a name: NULL before where it was new, NULL after where it was removed.
                """
                CREATE TABLE step_refs (
                    step INTEGER NOT NULL REFERENCES steps (id) ON DELETE CASCADE,
                    name TEXT NOT NULL,
                    before_manifest TEXT, before_target TEXT, before_type TEXT, before_size INTEGER,
                    after_manifest TEXT, after_target TEXT, after_type TEXT, after_size INTEGER,
                    seal TEXT NOT NULL,
                    PRIMARY KEY (step, name)) WITHOUT ROWID
                """,
                // What a step did to an image: `added` or `removed`.
                """
                CREATE TABLE step_images (
                    step INTEGER NOT NULL REFERENCES steps (id) ON DELETE CASCADE,
                    image TEXT NOT NULL,
                    change TEXT NOT NULL,
                    seal TEXT NOT NULL,
                    PRIMARY KEY (step, image)) WITHOUT ROWID
                """,
            ])
    ]
}
