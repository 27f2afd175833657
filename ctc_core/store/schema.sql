-- The projection: everything here can be rebuilt from journal/ and bundles/, except prediction
-- (score again), latent_point (kept in bundles too, or place the cells again) and job (history of the queue).
-- All times are UTC. No foreign keys: a decision must be kept even while its cartridge's bundle is missing.

CREATE TABLE IF NOT EXISTS journal_entry (
    seq BIGINT PRIMARY KEY, id VARCHAR NOT NULL, time TIMESTAMP NOT NULL, kind VARCHAR NOT NULL,
    reader VARCHAR NOT NULL, session VARCHAR NOT NULL, subject VARCHAR NOT NULL,
    old VARCHAR, new VARCHAR, -- canonical JSON
    reason VARCHAR NOT NULL, hash VARCHAR NOT NULL
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

CREATE VIEW IF NOT EXISTS current_label AS
SELECT * FROM label_event
WHERE seq IN (SELECT max(seq) FROM label_event GROUP BY cell_id) AND label IS NOT NULL;

CREATE VIEW IF NOT EXISTS current_review AS
SELECT * FROM review_event
WHERE seq IN (SELECT max(seq) FROM review_event GROUP BY cartridge_id, rid) AND label IS NOT NULL;

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

CREATE TABLE IF NOT EXISTS job (
    job_id VARCHAR PRIMARY KEY, kind VARCHAR NOT NULL, parameters JSON NOT NULL,
    status VARCHAR NOT NULL CHECK (status IN ('queued', 'running', 'finished', 'failed', 'cancelled')),
    message VARCHAR NOT NULL, created TIMESTAMP NOT NULL, finished TIMESTAMP
);

CREATE TABLE IF NOT EXISTS run ( -- provenance
    run_id VARCHAR PRIMARY KEY, kind VARCHAR NOT NULL, parameters JSON NOT NULL, inputs JSON NOT NULL,
    code_version VARCHAR NOT NULL, artefact VARCHAR NOT NULL, time TIMESTAMP NOT NULL
);
