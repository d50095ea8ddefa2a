-- Who works on what. expires_time is milliseconds since 1970.
CREATE TABLE lease (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    epoch TEXT NOT NULL,
    expires_time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
