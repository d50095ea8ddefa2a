-- Whose deliveries these are, and since when they are counted.
CREATE TABLE birth (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    ledger text NOT NULL,
    era text NOT NULL, -- empty for the first one
    heads bigint[] NOT NULL
);

-- Who works on a subscription, and since which event it is counted.
CREATE TABLE subscription (
    id uuid PRIMARY KEY,
    epoch uuid NOT NULL,
    run bigint NOT NULL,
    failing_since bigint -- times are microseconds since 1970
) WITH (fillfactor = 10);

-- The first change of each partition that is neither delivered nor held.
CREATE TABLE cursor (
    subscription uuid NOT NULL,
    partition integer NOT NULL,
    place bigint NOT NULL, -- partition, position and ordinal, packed
    PRIMARY KEY (subscription, partition)
) WITH (fillfactor = 10);

-- What did not arrive at once.
CREATE TABLE delivery (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscription uuid NOT NULL,
    place bigint NOT NULL,
    state text COLLATE "C" NOT NULL,
    order_key text COLLATE "C" NOT NULL,
    change text NOT NULL,
    type text NOT NULL,
    recorded_time bigint NOT NULL,
    attempts bigint NOT NULL,
    first_failure bigint,
    next_time bigint, -- none behind another one of its key
    reason text,
    UNIQUE (subscription, place)
) WITH (fillfactor = 70);

CREATE INDEX delivery_by_key ON delivery (subscription, order_key, place) WHERE state = 'held';
CREATE INDEX delivery_by_time ON delivery (subscription, recorded_time) WHERE state = 'held';
CREATE INDEX delivery_due ON delivery (subscription, next_time) WHERE state = 'held' AND next_time IS NOT NULL;

-- The last attempts of each subscription.
CREATE TABLE attempt (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscription uuid NOT NULL,
    time bigint NOT NULL,
    change text NOT NULL,
    outcome text NOT NULL,
    status integer,
    microseconds bigint NOT NULL,
    answer text NOT NULL
);

CREATE INDEX attempt_by_subscription ON attempt (subscription, number);
