-- Whose projection this is: rows of one ledger are nothing to another.
CREATE TABLE ledger (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL
) STRICT;

-- How far each partition has been folded. ledger_time is RFC 3339, exact to the nanosecond.
CREATE TABLE cursor (
    partition INTEGER PRIMARY KEY,
    next INTEGER NOT NULL,
    ledger_time TEXT NOT NULL
) STRICT;

-- Rows of every kind. number grows with each new row, so that rows that are new together lie together;
-- kind, id, place, integration and tenant are what a row is and never change.
CREATE TABLE document (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    place INTEGER NOT NULL, -- partition and position where the row began, packed
    domain TEXT,
    integration TEXT,
    tenant TEXT,
    state TEXT,
    body TEXT NOT NULL, -- JSON
    UNIQUE (id, kind)
) STRICT;

CREATE INDEX document_by_place ON document (kind, place);
CREATE INDEX document_by_integration ON document (kind, integration, place, state);
CREATE INDEX document_by_tenant ON document (kind, tenant, integration, place);

-- Every change for ever, as subscribers receive it.
CREATE TABLE change (
    place INTEGER PRIMARY KEY, -- partition, position and ordinal, packed
    document INTEGER NOT NULL,
    type TEXT NOT NULL,
    recorded_time INTEGER NOT NULL, -- nanoseconds since 1970
    body TEXT NOT NULL -- JSON
) STRICT;

CREATE INDEX change_by_document ON change (document);
