-- What one asker sees: {theirs} narrows by member, {made} by channel or campaign; {start} and {end} are the period's.

CREATE VIEW my_line AS SELECT * FROM x_line WHERE {theirs} AND {made};
CREATE VIEW now_line AS SELECT * FROM my_line WHERE at >= {start} AND at < {end};
CREATE VIEW my_tie AS SELECT * FROM x_tie WHERE {theirs} AND {made};
CREATE VIEW now_add AS SELECT * FROM my_tie WHERE kind IN ('added', 'confirmed') AND at >= {start} AND at < {end};
CREATE VIEW my_span AS SELECT * FROM x_span WHERE {theirs} AND {came};
CREATE VIEW now_touch AS SELECT * FROM x_touch WHERE {theirs} AND {of_campaign} AND at >= {start} AND at < {end};
CREATE VIEW now_met AS SELECT * FROM x_met WHERE {theirs} AND at >= {start} AND at < {end};
CREATE VIEW now_sent AS SELECT * FROM x_sent WHERE {theirs} AND at >= {start} AND at < {end};
CREATE VIEW now_score AS SELECT * FROM x_score WHERE {theirs} AND at >= {start} AND at < {end};
CREATE VIEW now_complaint AS SELECT * FROM x_complaint WHERE {theirs} AND at >= {start} AND at < {end};
CREATE VIEW now_referral AS SELECT * FROM x_referral WHERE {theirs} AND at >= {start} AND at < {end};
CREATE VIEW now_brought AS
SELECT * FROM x_brought WHERE {theirs} AND {of_campaign} AND at >= {start} AND at < {end};
CREATE VIEW now_task AS SELECT * FROM x_task WHERE {theirs} AND {of_campaign} AND due BETWEEN '{first}' AND '{until}';
CREATE VIEW now_figure AS SELECT * FROM x_figure WHERE {theirs} AND day BETWEEN '{first}' AND '{last}';
CREATE VIEW now_cost AS SELECT * FROM x_cost WHERE {made} AND day BETWEEN '{first}' AND '{last}';
CREATE VIEW now_crowd AS SELECT * FROM x_crowd WHERE {of_channel} AND day BETWEEN '{first}' AND '{last}';
CREATE VIEW now_net AS SELECT * FROM x_net WHERE day BETWEEN '{first}' AND '{last}';
CREATE VIEW my_seller AS SELECT * FROM x_seller WHERE {theirs};
CREATE VIEW now_duty AS SELECT * FROM x_duty WHERE {theirs} AND day BETWEEN '{first}' AND '{until}';

-- Could be reached at some moment of the period: tied, and not resting, as it began, at an add, or as a wish ended.
CREATE TABLE my_reachable AS
SELECT DISTINCT s.customer_id FROM my_span s
JOIN (SELECT CAST(NULL AS BIGINT) AS customer_id, {start} AS at
      UNION ALL SELECT customer_id, on_at FROM my_span WHERE on_at >= {start} AND on_at < {end}
      UNION ALL SELECT customer_id, ended FROM x_peace WHERE ended >= {start} AND ended < {end}) m
  ON m.customer_id IS NULL OR m.customer_id = s.customer_id
WHERE s.on_at <= m.at AND (s.off_at IS NULL OR s.off_at > m.at)
  AND NOT EXISTS (SELECT 1 FROM x_peace p WHERE p.customer_id = s.customer_id AND p.since <= m.at
                  AND (p.ended IS NULL OR p.ended > m.at));

-- Can be reached as it ends.
CREATE TABLE my_closing AS
SELECT DISTINCT s.customer_id FROM my_span s
WHERE s.on_at < {end} AND (s.off_at IS NULL OR s.off_at >= {end})
  AND NOT EXISTS (SELECT 1 FROM x_peace p WHERE p.customer_id = s.customer_id AND p.since < {end}
                  AND (p.ended IS NULL OR p.ended >= {end}));

-- The private-domain formula: touches of who could be reached, and the payments that followed within the scene's days.
CREATE TABLE my_reached AS SELECT * FROM now_touch WHERE customer_id IN (SELECT customer_id FROM my_reachable);
CREATE TABLE my_converted AS
SELECT l.order_id, l.customer_id FROM now_line l
WHERE l.refund_id = 0
  AND EXISTS (SELECT 1 FROM my_reached t
              WHERE t.customer_id = l.customer_id AND t.at <= l.at AND l.at < t.counts_until);
