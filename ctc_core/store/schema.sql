-- The projection: everything here can be rebuilt from journal/ and bundles/, except prediction
-- (score again), latent_point (kept in bundles too, or place the cells again) and job (history of the queue).
-- All times are UTC. No foreign keys: a decision must be kept even while its cartridge's bundle is missing.

CREATE TABLE IF NOT EXISTS journal_entry (
    seq BIGINT PRIMARY KEY, id VARCHAR NOT NULL, time TIMESTAMP NOT NULL, kind VARCHAR NOT NULL,
    reader VARCHAR NOT NULL, session VARCHAR NOT NULL, subject VARCHAR NOT NULL,
    old VARCHAR, new VARCHAR, -- canonical JSON
    reason VARCHAR NOT NULL, role VARCHAR NOT NULL, -- of the reader at that time; empty: not known
    why VARCHAR NOT NULL, -- a reader's own earlier decision was changed; empty: none was
    hash VARCHAR NOT NULL
);

CREATE INDEX IF NOT EXISTS journal_entry_id ON journal_entry (id);

CREATE VIEW IF NOT EXISTS reader AS
SELECT reader AS name, min(time) AS first_seen FROM journal_entry GROUP BY reader;

CREATE TABLE IF NOT EXISTS patient (
    pseudonym VARCHAR PRIMARY KEY,
    role VARCHAR NOT NULL CHECK (role IN ('encoder', 'train', 'test', 'review'))
);

CREATE TABLE IF NOT EXISTS cartridge (
    cartridge_id VARCHAR PRIMARY KEY, pseudonym VARCHAR NOT NULL, path_name VARCHAR NOT NULL,
    rows INTEGER NOT NULL, cols INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
    bottom_up BOOLEAN NOT NULL, frames INTEGER NOT NULL, channels VARCHAR[] NOT NULL, assigned_rule VARCHAR NOT NULL,
    status VARCHAR NOT NULL CHECK (status IN ('accepted', 'flagged')), notes VARCHAR[] NOT NULL,
    bundle_id VARCHAR UNIQUE NOT NULL, segmenter_id VARCHAR NOT NULL, encoder_id VARCHAR NOT NULL,
    imported_at TIMESTAMP NOT NULL
);

CREATE TABLE IF NOT EXISTS frame (
    cartridge_id VARCHAR NOT NULL, frame INTEGER NOT NULL,
    status VARCHAR NOT NULL CHECK (status IN ('read', 'quarantined')), reason VARCHAR, flags VARCHAR[] NOT NULL,
    PRIMARY KEY (cartridge_id, frame)
);

CREATE TABLE IF NOT EXISTS event ( -- what CellSearch showed its operator; boxes in frame pixels
    cartridge_id VARCHAR NOT NULL, rid VARCHAR NOT NULL, frame INTEGER NOT NULL,
    x0 DOUBLE NOT NULL, y0 DOUBLE NOT NULL, x1 DOUBLE NOT NULL, y1 DOUBLE NOT NULL,
    assigned BOOLEAN NOT NULL, numselected INTEGER, crop_index INTEGER NOT NULL,
    PRIMARY KEY (cartridge_id, rid)
);

CREATE TABLE IF NOT EXISTS quarantined_event (cartridge_id VARCHAR NOT NULL, rid VARCHAR NOT NULL, reason VARCHAR NOT NULL);

CREATE TABLE IF NOT EXISTS cell ( -- intensities are restored grey values 0..4095; polygon vertices [y, x] in frame pixels
    cell_id VARCHAR PRIMARY KEY, cartridge_id VARCHAR NOT NULL, frame INTEGER NOT NULL, y DOUBLE NOT NULL, x DOUBLE NOT NULL,
    diameter_um DOUBLE NOT NULL, area_um2 DOUBLE NOT NULL, eccentricity DOUBLE NOT NULL, polygon FLOAT[][] NOT NULL,
    probability DOUBLE NOT NULL, at_border BOOLEAN NOT NULL,
    dapi_mean DOUBLE, dapi_max DOUBLE, dapi_sd DOUBLE, dapi_background DOUBLE,
    ck_mean DOUBLE, ck_max DOUBLE, ck_sd DOUBLE, ck_background DOUBLE,
    cd45_mean DOUBLE, cd45_max DOUBLE, cd45_sd DOUBLE, cd45_background DOUBLE,
    crop_index INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS embedding (
    cell_id VARCHAR NOT NULL, encoder_id VARCHAR NOT NULL, vector FLOAT[128] NOT NULL,
    PRIMARY KEY (cell_id, encoder_id)
);

CREATE TABLE IF NOT EXISTS label_event ( -- append-only; label NULL withdraws
    id VARCHAR UNIQUE NOT NULL, seq BIGINT UNIQUE NOT NULL, cartridge_id VARCHAR NOT NULL, cell_id VARCHAR NOT NULL,
    label VARCHAR CHECK (label IN ('ctc', 'non-ctc', 'unsure', 'artifact')), previous VARCHAR,
    reader VARCHAR NOT NULL, reason VARCHAR NOT NULL, session VARCHAR NOT NULL, time TIMESTAMP NOT NULL
);

CREATE TABLE IF NOT EXISTS review_event ( -- the same for CellSearch events that no cell of ours matches
    id VARCHAR UNIQUE NOT NULL, seq BIGINT UNIQUE NOT NULL, cartridge_id VARCHAR NOT NULL, rid VARCHAR NOT NULL,
    label VARCHAR CHECK (label IN ('ctc', 'non-ctc', 'unsure', 'artifact')), previous VARCHAR,
    reader VARCHAR NOT NULL, reason VARCHAR NOT NULL, session VARCHAR NOT NULL, time TIMESTAMP NOT NULL
);

CREATE TABLE IF NOT EXISTS adjudication ( -- append-only; the word on a cell whose readers disagree; label NULL withdraws
    id VARCHAR UNIQUE NOT NULL, seq BIGINT UNIQUE NOT NULL, cartridge_id VARCHAR NOT NULL, cell_id VARCHAR NOT NULL,
    label VARCHAR CHECK (label IN ('ctc', 'non-ctc', 'unsure', 'artifact')), previous VARCHAR,
    reader VARCHAR NOT NULL, reason VARCHAR NOT NULL, session VARCHAR NOT NULL, time TIMESTAMP NOT NULL
);

CREATE TABLE IF NOT EXISTS event_adjudication (
    id VARCHAR UNIQUE NOT NULL, seq BIGINT UNIQUE NOT NULL, cartridge_id VARCHAR NOT NULL, rid VARCHAR NOT NULL,
    label VARCHAR CHECK (label IN ('ctc', 'non-ctc', 'unsure', 'artifact')), previous VARCHAR,
    reader VARCHAR NOT NULL, reason VARCHAR NOT NULL, session VARCHAR NOT NULL, time TIMESTAMP NOT NULL
);

CREATE TABLE IF NOT EXISTS relabel_round (
    round_id VARCHAR PRIMARY KEY, seq BIGINT NOT NULL, run_id VARCHAR NOT NULL, number INTEGER NOT NULL,
    encoder_id VARCHAR NOT NULL, map_id VARCHAR, strategy VARCHAR NOT NULL, cluster INTEGER, predicted INTEGER,
    summary VARCHAR NOT NULL, parameters JSON NOT NULL, reader VARCHAR NOT NULL,
    model_before VARCHAR, model_after VARCHAR,
    state VARCHAR NOT NULL CHECK (state IN ('open', 'finished', 'abandoned')),
    opened TIMESTAMP NOT NULL, finished TIMESTAMP, closing BIGINT, -- number of the entry that closed it
    minutes DOUBLE, outcome JSON
);

CREATE TABLE IF NOT EXISTS queue_item (
    round_id VARCHAR NOT NULL, position INTEGER NOT NULL, cell_id VARCHAR NOT NULL, reason VARCHAR NOT NULL,
    cluster INTEGER, probability DOUBLE, blind BOOLEAN NOT NULL,
    PRIMARY KEY (round_id, cell_id)
);

-- A second reading is blind: while a person has it before them, no query of that person (variable `viewer`, set on the
-- cursors of their pages) is told what anybody else says about the cell.

CREATE VIEW IF NOT EXISTS blinded AS
SELECT 'label' AS what, cell_id AS target FROM queue_item JOIN relabel_round USING (round_id)
WHERE blind AND state = 'open' AND reader = getvariable('viewer');

-- Cells and events alike: what each reader says, and what all of them say together, as of a journal entry.

CREATE VIEW IF NOT EXISTS reading AS
SELECT 'label' AS what, cell_id AS target, * EXCLUDE cell_id FROM label_event
UNION ALL BY NAME SELECT 'review' AS what, rid AS target, * EXCLUDE rid FROM review_event;

CREATE VIEW IF NOT EXISTS judgement AS
SELECT 'label' AS what, cell_id AS target, * EXCLUDE cell_id FROM adjudication
UNION ALL BY NAME SELECT 'review' AS what, rid AS target, * EXCLUDE rid FROM event_adjudication;

CREATE MACRO IF NOT EXISTS readings_until(entry) AS TABLE -- the last word of each reader, unless withdrawn
SELECT * FROM (
    SELECT * FROM reading WHERE seq <= entry
    QUALIFY row_number() OVER (PARTITION BY what, cartridge_id, target, reader ORDER BY seq DESC) = 1
) WHERE label IS NOT NULL
    AND (reader = getvariable('viewer') OR (what, target) NOT IN (SELECT what, target FROM blinded));

CREATE MACRO IF NOT EXISTS judgements_until(entry) AS TABLE
SELECT * FROM (
    SELECT * FROM judgement WHERE seq <= entry
    QUALIFY row_number() OVER (PARTITION BY what, cartridge_id, target ORDER BY seq DESC) = 1
) WHERE label IS NOT NULL AND (what, target) NOT IN (SELECT what, target FROM blinded);

-- An adjudicated label, else the one that all readers who are sure agree on, else unsure. In a conflict label is NULL.
CREATE MACRO IF NOT EXISTS consensus_until(entry) AS TABLE
SELECT what, cartridge_id, target, label, reader, reason, time, seq, false AS conflict FROM judgements_until(entry)
UNION ALL BY NAME
SELECT what, cartridge_id, target,
    CASE count(DISTINCT label) FILTER (label <> 'unsure')
        WHEN 0 THEN 'unsure' WHEN 1 THEN max(label) FILTER (label <> 'unsure')
    END AS label,
    coalesce(
        string_agg(reader, ', ' ORDER BY seq) FILTER (label <> 'unsure'), string_agg(reader, ', ' ORDER BY seq)
    ) AS reader,
    arg_max(reason, seq) AS reason, max(time) AS time, max(seq) AS seq,
    count(DISTINCT label) FILTER (label <> 'unsure') > 1 AS conflict
FROM readings_until(entry) ANTI JOIN judgements_until(entry) AS judged USING (what, cartridge_id, target)
GROUP BY what, cartridge_id, target;

CREATE MACRO IF NOT EXISTS roles_until(entry) AS TABLE
SELECT subject AS pseudonym, trim(arg_max(new, seq), '"') AS role FROM journal_entry
WHERE kind IN ('patient', 'role') AND seq <= entry GROUP BY subject;

CREATE VIEW IF NOT EXISTS reader_label AS
SELECT target AS cell_id, * EXCLUDE (what, target) FROM readings_until(9223372036854775807) WHERE what = 'label';

CREATE VIEW IF NOT EXISTS current_label AS -- the consensus
SELECT target AS cell_id, * EXCLUDE (what, target) FROM consensus_until(9223372036854775807) WHERE what = 'label';

CREATE VIEW IF NOT EXISTS training_label AS
SELECT * FROM current_label WHERE label IN ('ctc', 'non-ctc', 'artifact');

CREATE VIEW IF NOT EXISTS reader_review AS
SELECT target AS rid, * EXCLUDE (what, target) FROM readings_until(9223372036854775807) WHERE what = 'review';

CREATE VIEW IF NOT EXISTS current_review AS
SELECT target AS rid, * EXCLUDE (what, target) FROM consensus_until(9223372036854775807) WHERE what = 'review';

CREATE VIEW IF NOT EXISTS queued AS -- cells that are somebody's to read now
SELECT cell_id, reader, round_id FROM queue_item JOIN relabel_round USING (round_id) WHERE state = 'open';

CREATE TABLE IF NOT EXISTS model (
    model_id VARCHAR PRIMARY KEY, kind VARCHAR NOT NULL, folder VARCHAR NOT NULL, parameters JSON NOT NULL,
    active BOOLEAN NOT NULL, created TIMESTAMP NOT NULL
);

CREATE TABLE IF NOT EXISTS prediction (
    model_id VARCHAR NOT NULL, cell_id VARCHAR NOT NULL,
    probability DOUBLE NOT NULL CHECK (probability BETWEEN 0 AND 1),
    PRIMARY KEY (model_id, cell_id)
);

CREATE VIEW IF NOT EXISTS latent_map AS
SELECT model_id AS map_id, folder, parameters, active, created FROM model WHERE kind = 'map';

CREATE TABLE IF NOT EXISTS latent_point ( -- where a cell lies on a map; cluster -1 is background
    map_id VARCHAR NOT NULL, cell_id VARCHAR NOT NULL, x FLOAT NOT NULL, y FLOAT NOT NULL, cluster INTEGER NOT NULL,
    PRIMARY KEY (map_id, cell_id)
);

CREATE TABLE IF NOT EXISTS noise_reject ( -- by a model of the kind noise; also in bundles
    model_id VARCHAR NOT NULL, cell_id VARCHAR NOT NULL,
    probability DOUBLE NOT NULL CHECK (probability BETWEEN 0 AND 1), -- of being noise
    PRIMARY KEY (model_id, cell_id)
);

CREATE TABLE IF NOT EXISTS given_back ( -- an expert says that a rejected cell is worth reading, under any noise filter
    cell_id VARCHAR PRIMARY KEY, seq BIGINT NOT NULL, reader VARCHAR NOT NULL, reason VARCHAR NOT NULL,
    time TIMESTAMP NOT NULL
);

CREATE VIEW IF NOT EXISTS set_aside AS
SELECT cell_id, probability FROM noise_reject JOIN model USING (model_id) ANTI JOIN given_back USING (cell_id)
WHERE kind = 'noise' AND active;

CREATE TABLE IF NOT EXISTS job (
    job_id VARCHAR PRIMARY KEY, kind VARCHAR NOT NULL, parameters JSON NOT NULL,
    status VARCHAR NOT NULL CHECK (status IN ('queued', 'running', 'finished', 'failed', 'cancelled')),
    message VARCHAR NOT NULL, created TIMESTAMP NOT NULL, finished TIMESTAMP
);

CREATE TABLE IF NOT EXISTS run ( -- provenance
    run_id VARCHAR PRIMARY KEY, kind VARCHAR NOT NULL, parameters JSON NOT NULL, inputs JSON NOT NULL,
    code_version VARCHAR NOT NULL, artefact VARCHAR NOT NULL, time TIMESTAMP NOT NULL
);
