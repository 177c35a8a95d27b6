-- The facts as the design speaks of them: times are whole microseconds, days are text, money is fen.
-- us(x), midnight(x), day_of(x) and days(n) are written out for each database by the test.

CREATE TABLE x_tie AS
SELECT t.id, t.customer_id, t.userid, t.kind, t."by" AS ended_by, t.channel_id AS channel, c.campaign_id AS campaign,
       us(t.at) AS at,
       CASE WHEN t.kind IN ('added', 'confirmed', 'repeated', 'transferred_in') THEN 1 ELSE 0 END AS begins,
       CASE WHEN t.kind IN ('lost', 'transferred_out', 'ended_again') THEN 1 ELSE 0 END AS ends
FROM tiechange t LEFT JOIN channel c ON c.id = t.channel_id;
CREATE INDEX x_tie_pair ON x_tie (customer_id, userid);

-- A tie from its beginning to its end.
CREATE TABLE x_span AS
SELECT a.customer_id, a.userid, a.at AS on_at,
       (SELECT MIN(b.at) FROM x_tie b
        WHERE b.customer_id = a.customer_id AND b.userid = a.userid AND b.ends = 1 AND b.at >= a.at) AS off_at
FROM x_tie a WHERE a.begins = 1;
CREATE INDEX x_span_customer ON x_span (customer_id);

-- The channel a customer came through when she first came; it stays hers.
CREATE TABLE x_first AS
SELECT t.customer_id, t.channel FROM x_tie t
WHERE t.ended_by IS NULL
  AND NOT EXISTS (SELECT 1 FROM x_tie e WHERE e.customer_id = t.customer_id AND e.ended_by IS NULL
                  AND (e.at < t.at OR (e.at = t.at AND e.id < t.id)));

-- Wishes to be left in peace of everything: through the day named, or until lifted.
CREATE TABLE x_peace AS
SELECT customer_id, us(at) AS since,
       CASE WHEN lifted_at IS NOT NULL AND (until IS NULL OR us(lifted_at) < midnight(until) + days(1)) THEN us(lifted_at)
            WHEN until IS NOT NULL THEN midnight(until) + days(1) END AS ended
FROM donotcontact WHERE topic = '';

CREATE TABLE x_touch AS
SELECT id, customer_id, userid, scene, campaign_id AS campaign, us(at) AS at,
       us(at) + CASE WHEN scene IN ('welcome', 'campaign') THEN days(30) ELSE days(15) END AS counts_until
FROM touch WHERE NOT doubtful;
CREATE INDEX x_touch_customer ON x_touch (customer_id, at);

CREATE TABLE x_visit AS SELECT id, customer_id, userid, store, us(at) AS at FROM visit;
CREATE INDEX x_visit_customer ON x_visit (customer_id);
CREATE TABLE x_act AS SELECT customer_id, name, us(at) AS at FROM act;
CREATE INDEX x_act_customer ON x_act (customer_id);
CREATE TABLE x_order AS
SELECT id, customer_id, userid, store, channel_id AS channel, campaign_id AS campaign, amount_fen AS fen, refunded_fen,
       us(at) AS at
FROM orders;
CREATE INDEX x_order_customer ON x_order (customer_id);

-- People met in a store, by a booking or at the till.
CREATE TABLE x_met AS
SELECT customer_id, userid, at FROM x_visit
UNION ALL SELECT customer_id, userid, us(made_at) FROM booking
UNION ALL SELECT customer_id, userid, at FROM x_order;

-- Everything a customer does by herself.
CREATE TABLE x_own AS
SELECT customer_id, at FROM x_act UNION ALL SELECT customer_id, at FROM x_met;
CREATE INDEX x_own_customer ON x_own (customer_id);

-- Services delivered, of which a customer's reply that a member reports is one.
CREATE TABLE x_service AS
SELECT customer_id, at FROM x_visit
UNION ALL SELECT customer_id, at FROM x_act WHERE name IN ('trial_class', 'material_claimed')
UNION ALL SELECT customer_id, us(joined_at) FROM groupmember WHERE customer_id IS NOT NULL
UNION ALL SELECT customer_id, us(closed_at) FROM todo
          WHERE state = 'done' AND result IN ('replied', 'booked', 'deal', 'refused');
CREATE INDEX x_service_customer ON x_service (customer_id);

-- Whose an order is: as a leader decided; named on it; touched her last within 15 days; answered for her then; else the store's.
CREATE TABLE x_line AS
SELECT o.id AS order_id, 0 AS refund_id, o.at, o.customer_id, o.store, o.fen,
       COALESCE(
           (SELECT d.userid FROM creditdecision d WHERE d.order_id = o.id AND d.undone_at IS NULL
            ORDER BY d.id DESC LIMIT 1),
           o.userid,
           (SELECT t.userid FROM x_touch t WHERE t.customer_id = o.customer_id AND t.at <= o.at AND o.at < t.at + days(15)
            ORDER BY t.at DESC, t.id DESC LIMIT 1),
           (SELECT m.after FROM mainstaffchange m WHERE m.customer_id = o.customer_id AND us(m.at) <= o.at
            ORDER BY m.at DESC, m.id DESC LIMIT 1),
           (SELECT m.before FROM mainstaffchange m WHERE m.customer_id = o.customer_id AND us(m.at) > o.at
            ORDER BY m.at, m.id LIMIT 1),
           (SELECT c.main_userid FROM customer c WHERE c.id = o.customer_id)) AS userid,
       COALESCE(
           o.channel,
           (SELECT t.channel FROM x_tie t
            WHERE t.customer_id = o.customer_id AND t.at <= o.at AND t.channel IS NOT NULL
                  AND t.kind IN ('added', 'half_added', 'confirmed')
            ORDER BY t.at DESC, t.id DESC LIMIT 1)) AS channel,
       COALESCE(
           o.campaign,
           (SELECT p.campaign FROM (
                SELECT t.customer_id, t.campaign, t.at, 1 AS joined FROM x_tie t
                WHERE t.kind IN ('added', 'half_added', 'confirmed')
                UNION ALL SELECT q.customer_id, q.campaign_id, us(q.at), 2 FROM participation q) p
            JOIN campaign c ON c.id = p.campaign
            WHERE p.customer_id = o.customer_id AND p.at <= o.at AND o.at < p.at + days(c.window_days)
            ORDER BY p.at DESC, p.joined DESC, p.campaign DESC LIMIT 1)) AS campaign,
       (SELECT CASE WHEN COUNT(*) = COUNT(i.margin_fen) THEN SUM(i.margin_fen) END FROM orderitem i
        WHERE i.order_id = o.id) AS margin
FROM x_order o;

-- A refund is its order's, negative, on its own day; of the margin it takes its part, cut to whole fen.
INSERT INTO x_line (order_id, refund_id, at, customer_id, store, fen, userid, channel, campaign, margin)
SELECT l.order_id, r.id, us(r.at), l.customer_id, l.store, -r.amount_fen, l.userid, l.channel, l.campaign,
       -(CAST(l.margin AS BIGINT) * r.amount_fen / l.fen)
FROM refund r JOIN x_line l ON l.order_id = r.order_id;
CREATE INDEX x_line_customer ON x_line (customer_id);

CREATE TABLE x_sent AS
SELECT m.userid, us(m.asked_at) AS at, CASE WHEN c.status = 1 THEN 1 ELSE 0 END AS delivered
FROM masssendcustomer c JOIN masssend m ON m.id = c.mass_send_id
UNION ALL SELECT userid, us(received_at), CASE WHEN outcome = 'sent' THEN 1 ELSE 0 END FROM welcome;

CREATE TABLE x_task AS
SELECT userid, campaign_id AS campaign, state, CAST(due_on AS TEXT) AS due, day_of(closed_at) AS closed_on FROM todo
WHERE state IN ('open', 'done');

CREATE TABLE x_tagging AS
SELECT customer_id, userid, us(at) AS at FROM tagchange WHERE added AND source IN ('client', 'chat', 'page');
CREATE INDEX x_tagging_customer ON x_tagging (customer_id);

CREATE TABLE x_score AS
SELECT v.userid, us(s.at) AS at, s.score FROM satisfaction s JOIN visit v ON v.id = s.visit_id;
CREATE TABLE x_complaint AS SELECT userid, us(at) AS at FROM complaint;
CREATE TABLE x_referral AS SELECT referrer_id, userid, us(at) AS at FROM referral;

-- Who brought whom: for the member on the record, else who answers for the referrer; of the campaign on the record, else
-- of one that ran that day and that one of the two has joined.
CREATE TABLE x_brought AS
SELECT r.customer_id, us(r.at) AS at, COALESCE(r.userid, c.main_userid) AS userid,
       COALESCE(
           r.campaign_id,
           (SELECT MIN(p.campaign_id) FROM participation p JOIN campaign k ON k.id = p.campaign_id
            WHERE p.customer_id IN (r.customer_id, r.referrer_id)
              AND CAST(k.starts_on AS TEXT) <= day_of(r.at) AND CAST(k.ends_on AS TEXT) >= day_of(r.at))) AS campaign
FROM referral r JOIN customer c ON c.id = r.referrer_id;

CREATE TABLE x_figure AS
SELECT userid, CAST(day AS TEXT) AS day, chats, messages, reply_percentage, avg_reply_minutes, negative_feedback
FROM staffstatistic;

-- Money spent day by day, and what a channel cost on the day it was set up.
CREATE TABLE x_cost AS
SELECT s.channel_id AS channel, COALESCE(s.campaign_id, c.campaign_id) AS campaign, CAST(s.day AS TEXT) AS day,
       s.amount_fen AS fen
FROM spend s LEFT JOIN channel c ON c.id = s.channel_id
UNION ALL SELECT id, campaign_id, day_of(created_at), cost_fen FROM channel;

CREATE TABLE x_crowd AS
SELECT t.channel_id AS channel, CAST(t.day AS TEXT) AS day,
       CASE WHEN c.scene = 'clicks' THEN t.clicks ELSE t.visitors END AS seen
FROM traffic t JOIN channel c ON c.id = t.channel_id WHERE c.scene IN ('clicks', 'visitors');

CREATE TABLE x_net AS SELECT CAST(day AS TEXT) AS day, net_amount_fen AS fen FROM companytotal WHERE store IS NULL;

CREATE TABLE x_seller AS SELECT userid FROM staff WHERE active AND customer_contact;

-- Who works when: her own days first, then the store's, then the company's, then the calendar of public holidays.
CREATE TABLE x_duty AS
SELECT s.userid, c.day
FROM x_seller s CROSS JOIN x_calendar c
LEFT JOIN staffdepartment d ON d.userid = s.userid
LEFT JOIN store p ON p.department_id = d.department_id
LEFT JOIN storehours h ON h.store = p.code
LEFT JOIN staffday o ON o.userid = s.userid AND CAST(o.day AS TEXT) = c.day
LEFT JOIN holiday hs ON hs.store = p.code AND CAST(hs.day AS TEXT) = c.day
LEFT JOIN holiday hc ON hc.store = '' AND CAST(hc.day AS TEXT) = c.day
WHERE CASE WHEN o.works IS NOT NULL THEN CASE WHEN o.works THEN 1 ELSE 0 END
           WHEN hs.works IS NOT NULL THEN CASE WHEN hs.works THEN 1 ELSE 0 END
           WHEN h.days = 'always' THEN 1
           WHEN hc.works IS NOT NULL THEN CASE WHEN hc.works THEN 1 ELSE 0 END
           ELSE c.workday END = 1;

-- Days on which a member did something: touched or tagged a customer, or wrote.
CREATE TABLE x_busy AS
SELECT userid, day_of(at) AS day FROM touch WHERE scene <> 'welcome'
UNION SELECT "by", day_of(at) FROM tagchange WHERE source IN ('client', 'chat', 'page')
UNION SELECT userid, day FROM x_figure WHERE messages > 0;
