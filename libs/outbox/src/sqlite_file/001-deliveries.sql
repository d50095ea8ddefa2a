-- Whose deliveries these are, and since when they are counted.
CREATE TABLE birth (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    ledger TEXT NOT NULL,
    era TEXT NOT NULL, -- empty for the first one
    heads TEXT NOT NULL -- JSON
) STRICT;

-- Who works on a subscription, and since which event it is counted.
CREATE TABLE subscription (
    id TEXT PRIMARY KEY,
    epoch TEXT NOT NULL,
    run INTEGER NOT NULL,
    failing_since INTEGER -- times are microseconds since 1970
) STRICT, WITHOUT ROWID;

-- The first change of each partition that is neither delivered nor held.
CREATE TABLE cursor (
    subscription TEXT NOT NULL,
    partition INTEGER NOT NULL,
    place INTEGER NOT NULL, -- partition, position and ordinal, packed
    PRIMARY KEY (subscription, partition)
) STRICT, WITHOUT ROWID;

-- What did not arrive at once.
CREATE TABLE delivery (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription TEXT NOT NULL,
    place INTEGER NOT NULL,
    state TEXT NOT NULL,
    order_key TEXT NOT NULL,
    change TEXT NOT NULL,
    type TEXT NOT NULL,
    recorded_time INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    first_failure INTEGER,
    next_time INTEGER, -- none behind another one of its key
    reason TEXT,
    UNIQUE (subscription, place)
) STRICT;

CREATE INDEX delivery_by_key ON delivery (subscription, order_key, place) WHERE state = 'held';
CREATE INDEX delivery_by_time ON delivery (subscription, recorded_time) WHERE state = 'held';
CREATE INDEX delivery_due ON delivery (subscription, next_time) WHERE state = 'held' AND next_time IS NOT NULL;

-- The last attempts of each subscription.
CREATE TABLE attempt (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription TEXT NOT NULL,
    time INTEGER NOT NULL,
    change TEXT NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER,
    microseconds INTEGER NOT NULL,
    answer TEXT NOT NULL
) STRICT;

CREATE INDEX attempt_by_subscription ON attempt (subscription, number);
