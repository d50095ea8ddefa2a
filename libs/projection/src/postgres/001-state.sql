-- Whose projection this is: rows of one ledger are nothing to another.
CREATE TABLE ledger (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    id text NOT NULL
);

-- How far each partition has been folded. ledger_time is RFC 3339, exact to the nanosecond.
CREATE TABLE cursor (
    partition integer PRIMARY KEY,
    next bigint NOT NULL,
    ledger_time text NOT NULL
) WITH (fillfactor = 10);

-- Who works on what. An epoch is never used twice. Being unique makes it a key of its row: a commit that holds the epoch
-- (FOR KEY SHARE) is in the way of a claim, which changes it, and not of a renewal, which does not.
CREATE TABLE lease (
    name text COLLATE "C" PRIMARY KEY,
    holder text NOT NULL,
    epoch uuid NOT NULL UNIQUE,
    expires_time timestamptz NOT NULL
) WITH (fillfactor = 10);

-- Rows of every kind. number grows with each new row, so that rows that are new together lie together;
-- kind, id, place, integration and tenant are what a row is and never change.
CREATE TABLE document (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    place bigint NOT NULL, -- partition and position where the row began, packed
    domain text COLLATE "C",
    integration text COLLATE "C",
    tenant text COLLATE "C",
    state text COLLATE "C",
    terms bigint[] NOT NULL, -- numbers under which a row is found too: a client's departments
    body text NOT NULL, -- JSON, as it was written: jsonb would write it anew
    UNIQUE (kind, id)
) WITH (fillfactor = 80);

CREATE INDEX document_by_place ON document (kind, place);
CREATE INDEX document_by_integration ON document (kind, integration, place, state);
CREATE INDEX document_by_tenant ON document (kind, tenant, integration, place);

-- Every change for ever, as subscribers receive it.
CREATE TABLE change (
    place bigint PRIMARY KEY, -- partition, position and ordinal, packed
    document bigint NOT NULL,
    type text NOT NULL,
    recorded_time bigint NOT NULL, -- nanoseconds since 1970
    body text NOT NULL -- JSON
);

CREATE INDEX change_by_document ON change (document, place);
