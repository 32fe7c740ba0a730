-- What one page of a shop does, each statement a transaction of its own: looks a row up, sums up a
-- range, and writes one row.
\set aid random(1, 1900000)
\set delta random(-5000, 5000)
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
SELECT sum(abalance) FROM pgbench_accounts WHERE aid BETWEEN :aid AND :aid + 1000;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
