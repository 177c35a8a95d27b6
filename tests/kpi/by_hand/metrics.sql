-- metric: amount
SELECT COALESCE(SUM(fen), 0) FROM now_line

-- metric: orders
SELECT COUNT(*) FROM now_line WHERE refund_id = 0

-- metric: buyers
SELECT COUNT(DISTINCT customer_id) FROM now_line WHERE refund_id = 0

-- metric: refunds
SELECT COALESCE(-SUM(fen), 0) FROM now_line WHERE refund_id > 0

-- metric: amount_per_buyer
SELECT ROUND(1.0 * SUM(fen) / NULLIF(COUNT(DISTINCT CASE WHEN refund_id = 0 THEN customer_id END), 0)) FROM now_line

-- metric: orders_per_buyer
SELECT 1.0 * COUNT(*) / NULLIF(COUNT(DISTINCT customer_id), 0) FROM now_line WHERE refund_id = 0

-- metric: amount_per_order
SELECT ROUND(1.0 * SUM(fen) / NULLIF(SUM(CASE WHEN refund_id = 0 THEN 1 ELSE 0 END), 0)) FROM now_line

-- metric: items_per_order
SELECT 1.0 * SUM(i.qty) / NULLIF(COUNT(DISTINCT l.order_id), 0)
FROM now_line l LEFT JOIN orderitem i ON i.order_id = l.order_id WHERE l.refund_id = 0

-- metric: items_per_buyer
SELECT 1.0 * SUM(i.qty) / NULLIF(COUNT(DISTINCT l.customer_id), 0)
FROM now_line l LEFT JOIN orderitem i ON i.order_id = l.order_id WHERE l.refund_id = 0

-- metric: product_sales
SELECT COALESCE(SUM(i.amount_fen), 0) FROM now_line l JOIN orderitem i ON i.order_id = l.order_id WHERE l.refund_id = 0

-- metric: bought_together
SELECT COUNT(*) FROM (SELECT l.order_id FROM now_line l JOIN orderitem i ON i.order_id = l.order_id
                      WHERE l.refund_id = 0 GROUP BY l.order_id HAVING COUNT(DISTINCT i.sku) >= 2) b

-- metric: customers_brought
SELECT COUNT(DISTINCT customer_id) FROM now_brought

-- metric: repeat_rate
SELECT 100.0 * SUM(CASE WHEN orders >= 2 THEN 1 ELSE 0 END) / NULLIF(COUNT(*), 0)
FROM (SELECT customer_id, COUNT(*) AS orders FROM now_line WHERE refund_id = 0 GROUP BY customer_id) b

-- metric: buy_back_rate
SELECT 100.0 * COUNT(n.customer_id) / NULLIF(COUNT(*), 0)
FROM (SELECT DISTINCT customer_id FROM my_line WHERE refund_id = 0 AND at >= :before AND at < :start) e
LEFT JOIN (SELECT DISTINCT customer_id FROM now_line WHERE refund_id = 0) n ON n.customer_id = e.customer_id

-- metric: repurchase_cycle_days
SELECT AVG(l.at - (SELECT MAX(p.at) FROM x_line p
                   WHERE p.refund_id = 0 AND p.customer_id = l.customer_id AND p.order_id <> l.order_id
                     AND (p.at < l.at OR (p.at = l.at AND p.order_id < l.order_id)))) / 86400000000.0
FROM now_line l WHERE l.refund_id = 0

-- metric: first_order_days
SELECT AVG(l.at - a.at) / 86400000000.0
FROM now_line l
JOIN (SELECT customer_id, MIN(at) AS at FROM x_tie WHERE kind IN ('added', 'confirmed') GROUP BY customer_id) a
  ON a.customer_id = l.customer_id AND a.at <= l.at
WHERE l.refund_id = 0
  AND NOT EXISTS (SELECT 1 FROM x_line p WHERE p.refund_id = 0 AND p.customer_id = l.customer_id AND p.at < l.at)

-- metric: commission
WITH percent AS (
    SELECT w.campaign, w.userid, COALESCE(MAX(s.percent), 0) AS percent
    FROM (SELECT campaign, userid, SUM(fen) AS fen FROM x_line
          WHERE campaign IS NOT NULL AND userid IS NOT NULL AND at < :now GROUP BY campaign, userid) w
    LEFT JOIN x_tier s ON s.campaign = w.campaign AND s.from_fen <= w.fen
    GROUP BY w.campaign, w.userid)
SELECT COALESCE(SUM(ROUND(m.fen * p.percent / 100.0)), 0)
FROM (SELECT campaign, userid, SUM(fen) AS fen FROM now_line
      WHERE campaign IS NOT NULL AND userid IS NOT NULL GROUP BY campaign, userid) m
JOIN percent p ON p.campaign = m.campaign AND p.userid = m.userid

-- metric: contacts_added
SELECT COUNT(DISTINCT customer_id) FROM now_add

-- metric: reachable_contacts
SELECT COUNT(*) FROM my_reachable

-- metric: customer_assets
SELECT COUNT(*) FROM my_closing

-- metric: delete_rate
SELECT 100.0 * (SELECT COUNT(DISTINCT customer_id) FROM my_tie
                WHERE kind = 'lost' AND ended_by = 'customer' AND at >= :start AND at < :end) / NULLIF(COUNT(*), 0)
FROM my_reachable

-- metric: early_delete_rate
SELECT 100.0 * COUNT(DISTINCT l.customer_id) / NULLIF(COUNT(DISTINCT a.customer_id), 0)
FROM now_add a
LEFT JOIN x_tie l ON l.customer_id = a.customer_id AND l.userid = a.userid AND l.kind = 'lost'
                 AND l.ended_by = 'customer' AND l.at >= a.at AND l.at < a.at + days(7)

-- metric: add_rate
SELECT 100.0 * (SELECT COUNT(DISTINCT a.customer_id) FROM now_add a
                JOIN channel c ON c.id = a.channel AND c.scene IN ('clicks', 'visitors')) / NULLIF(SUM(seen), 0)
FROM now_crowd

-- metric: lead_success_rate
SELECT 100.0 * SUM(CASE WHEN EXISTS (
                        SELECT 1 FROM x_tie a WHERE a.customer_id = m.customer_id AND a.kind IN ('added', 'confirmed')
                          AND a.at >= m.at AND a.at < m.at + days(7)) THEN 1 ELSE 0 END) / NULLIF(COUNT(*), 0)
FROM (SELECT customer_id, MIN(at) AS at FROM now_met
      WHERE NOT EXISTS (SELECT 1 FROM x_span s WHERE s.customer_id = now_met.customer_id AND s.on_at < now_met.at
                        AND (s.off_at IS NULL OR s.off_at >= now_met.at))
      GROUP BY customer_id) m

-- metric: service_success_rate
SELECT 100.0 * COUNT(DISTINCT s.customer_id) / NULLIF(COUNT(DISTINCT a.customer_id), 0)
FROM now_add a LEFT JOIN x_service s ON s.customer_id = a.customer_id AND s.at >= a.at AND s.at < a.at + days(30)

-- metric: cash_success_rate
SELECT 100.0 * COUNT(DISTINCT o.customer_id) / NULLIF(COUNT(DISTINCT a.customer_id), 0)
FROM now_add a LEFT JOIN x_order o ON o.customer_id = a.customer_id AND o.at >= a.at AND o.at < a.at + days(30)
                                  AND o.refunded_fen < o.fen

-- metric: referral_rate
SELECT 100.0 * (SELECT COUNT(DISTINCT referrer_id) FROM now_referral) / NULLIF(COUNT(*), 0) FROM my_reachable

-- metric: staff_reply_rate
SELECT 1.0 * SUM(reply_percentage * chats) / NULLIF(SUM(chats), 0) FROM now_figure WHERE reply_percentage IS NOT NULL

-- metric: first_reply_minutes
SELECT 1.0 * SUM(avg_reply_minutes * chats) / NULLIF(SUM(chats), 0) FROM now_figure WHERE avg_reply_minutes IS NOT NULL

-- metric: ltv_30
SELECT ROUND(1.0 * COALESCE(SUM((SELECT SUM(COALESCE(l.margin, l.fen)) FROM x_line l
                   WHERE l.customer_id = a.customer_id AND l.at >= a.at AND l.at < a.at + days(30))), 0) / NULLIF(COUNT(*), 0))
FROM (SELECT customer_id, MIN(at) AS at FROM now_add GROUP BY customer_id) a

-- metric: ltv_90
SELECT ROUND(1.0 * COALESCE(SUM((SELECT SUM(COALESCE(l.margin, l.fen)) FROM x_line l
                   WHERE l.customer_id = a.customer_id AND l.at >= a.at AND l.at < a.at + days(90))), 0) / NULLIF(COUNT(*), 0))
FROM (SELECT customer_id, MIN(at) AS at FROM now_add GROUP BY customer_id) a

-- metric: ltv_365
SELECT ROUND(1.0 * COALESCE(SUM((SELECT SUM(COALESCE(l.margin, l.fen)) FROM x_line l
                   WHERE l.customer_id = a.customer_id AND l.at >= a.at AND l.at < a.at + days(365))), 0) / NULLIF(COUNT(*), 0))
FROM (SELECT customer_id, MIN(at) AS at FROM now_add GROUP BY customer_id) a

-- metric: private_performance
SELECT COALESCE(SUM(fen), 0) FROM now_line WHERE order_id IN (SELECT order_id FROM my_converted)

-- metric: pass_on_rate
SELECT 100.0 * (SELECT COUNT(DISTINCT customer_id) FROM my_reached) / NULLIF(COUNT(*), 0) FROM my_reachable

-- metric: scene_conversion_rate
SELECT 100.0 * (SELECT COUNT(DISTINCT customer_id) FROM my_converted) / NULLIF(COUNT(DISTINCT customer_id), 0)
FROM my_reached

-- metric: interaction_rate
SELECT 100.0 * SUM(CASE WHEN EXISTS (SELECT 1 FROM x_act a WHERE a.customer_id = r.customer_id
                                     AND a.at >= :start AND a.at < :end) THEN 1 ELSE 0 END) / NULLIF(COUNT(*), 0)
FROM my_reachable r

-- metric: share_rate
SELECT 100.0 * SUM(CASE WHEN EXISTS (SELECT 1 FROM x_act a WHERE a.customer_id = r.customer_id AND a.name = 'shared'
                                     AND a.at >= :start AND a.at < :end) THEN 1 ELSE 0 END) / NULLIF(COUNT(*), 0)
FROM my_reachable r

-- metric: contribution_rate
SELECT 100.0 * COALESCE(SUM(l.fen), 0) / NULLIF((SELECT SUM(fen) FROM now_net), 0)
FROM now_line l JOIN x_order o ON o.id = l.order_id
WHERE EXISTS (SELECT 1 FROM x_span s WHERE s.customer_id = l.customer_id AND s.on_at <= o.at)

-- metric: cost_per_add
SELECT ROUND(1.0 * COALESCE(SUM(fen), 0) / NULLIF((SELECT COUNT(DISTINCT customer_id) FROM now_add), 0)) FROM now_cost

-- metric: cac
SELECT ROUND(1.0 * COALESCE(SUM(fen), 0) / NULLIF((
    SELECT COUNT(DISTINCT a.customer_id) FROM now_add a
    WHERE NOT EXISTS (SELECT 1 FROM x_span s WHERE s.customer_id = a.customer_id AND s.on_at < a.at)
      AND EXISTS (SELECT 1 FROM x_line l WHERE l.refund_id = 0 AND l.customer_id = a.customer_id AND l.at >= a.at)
      AND NOT EXISTS (SELECT 1 FROM x_line l WHERE l.refund_id = 0 AND l.customer_id = a.customer_id AND l.at < a.at)), 0))
FROM now_cost

-- metric: return_on_spend
SELECT 1.0 * (SELECT COALESCE(SUM(fen), 0) FROM now_line) / NULLIF(SUM(fen), 0) FROM now_cost

-- metric: channel_roi
SELECT 100.0 * ((SELECT COALESCE(SUM(COALESCE(margin, fen)), 0) FROM now_line WHERE channel IS NOT NULL) - SUM(fen))
       / NULLIF(SUM(fen), 0)
FROM now_cost WHERE channel IS NOT NULL

-- metric: campaign_roi
SELECT 100.0 * ((SELECT COALESCE(SUM(COALESCE(margin, fen)), 0) FROM now_line WHERE campaign IS NOT NULL) - SUM(fen))
       / NULLIF(SUM(fen), 0)
FROM now_cost WHERE campaign IS NOT NULL

-- metric: cost_per_lead
SELECT ROUND(1.0 * COALESCE(SUM(fen), 0) / NULLIF((
    SELECT COUNT(DISTINCT t.customer_id) FROM my_tie t
    WHERE t.kind IN ('added', 'half_added', 'confirmed') AND t.at >= :start AND t.at < :end
      AND NOT EXISTS (SELECT 1 FROM x_tie e WHERE e.customer_id = t.customer_id AND e.at < t.at
                      AND e.kind IN ('added', 'half_added', 'confirmed'))), 0))
FROM now_cost

-- metric: payback_days
WITH cohort AS (
    SELECT a.customer_id, MIN(a.at) AS at FROM now_add a
    WHERE NOT EXISTS (SELECT 1 FROM x_span s WHERE s.customer_id = a.customer_id AND s.on_at < a.at)
    GROUP BY a.customer_id),
brought AS (
    SELECT (l.at - c.at) / days(1) AS age, COALESCE(l.margin, l.fen) AS fen
    FROM cohort c JOIN x_line l ON l.customer_id = c.customer_id AND l.at >= c.at AND l.at < :now),
ages AS (SELECT DISTINCT age FROM brought),
sums AS (SELECT g.age, (SELECT SUM(b.fen) FROM brought b WHERE b.age <= g.age) AS fen FROM ages g),
spent AS (SELECT COALESCE(SUM(fen), 0) AS fen FROM now_cost)
SELECT MIN(s.age) FROM sums s, spent
WHERE spent.fen > 0 AND s.fen >= spent.fen AND (SELECT SUM(fen) FROM brought) >= spent.fen
  AND NOT EXISTS (SELECT 1 FROM sums later WHERE later.age > s.age AND later.fen < spent.fen)

-- metric: interest_rate
SELECT 100.0 * COUNT(DISTINCT o.customer_id) / NULLIF(COUNT(DISTINCT a.customer_id), 0)
FROM now_add a LEFT JOIN x_act o ON o.customer_id = a.customer_id AND o.at >= a.at AND o.at < a.at + days(30)

-- metric: stay_rate
SELECT 100.0 * COUNT(DISTINCT o.customer_id) / NULLIF(COUNT(DISTINCT a.customer_id), 0)
FROM now_add a
JOIN x_span s ON s.customer_id = a.customer_id AND s.userid = a.userid AND s.on_at = a.at
LEFT JOIN x_act o ON o.customer_id = a.customer_id AND o.at >= a.at + days(30) AND o.at < a.at + days(60)
                 AND (s.off_at IS NULL OR s.off_at >= a.at + days(60))

-- metric: active_rate
SELECT 100.0 * SUM(CASE WHEN EXISTS (SELECT 1 FROM x_act a WHERE a.customer_id = c.customer_id
                                     AND a.at >= :end - days(30) AND a.at < :end) THEN 1 ELSE 0 END) / NULLIF(COUNT(*), 0)
FROM my_closing c

-- metric: contacts_lost
SELECT COUNT(DISTINCT customer_id) FROM my_tie
WHERE kind = 'lost' AND ended_by IN ('customer', 'staff') AND at >= :start AND at < :end

-- metric: platform_losses
SELECT COALESCE(SUM(negative_feedback), 0) FROM now_figure

-- metric: delivery_rate
SELECT 100.0 * SUM(delivered) / NULLIF(COUNT(*), 0) FROM now_sent

-- metric: response_rate
SELECT 100.0 * SUM(CASE WHEN EXISTS (SELECT 1 FROM x_own o WHERE o.customer_id = t.customer_id
                                     AND o.at >= t.at AND o.at < t.at + days(3)) THEN 1 ELSE 0 END) / NULLIF(COUNT(*), 0)
FROM now_touch t

-- metric: visit_rate
SELECT 100.0 * COUNT(DISTINCT v.customer_id) / NULLIF(COUNT(DISTINCT t.customer_id), 0)
FROM now_touch t LEFT JOIN x_visit v ON v.customer_id = t.customer_id AND v.at >= t.at AND v.at < t.at + days(15)

-- metric: satisfaction
SELECT 1.0 * SUM(score) / NULLIF(COUNT(*), 0) FROM now_score

-- metric: complaints_per_1000
SELECT 1000.0 * (SELECT COUNT(*) FROM now_complaint) / NULLIF(COUNT(*), 0) FROM my_reachable

-- metric: todo_done_rate
SELECT 100.0 * SUM(CASE WHEN state = 'done' THEN 1 ELSE 0 END) / NULLIF(COUNT(*), 0) FROM now_task

-- metric: todo_on_time_rate
SELECT 100.0 * SUM(CASE WHEN state = 'done' AND closed_on <= due THEN 1 ELSE 0 END) / NULLIF(COUNT(*), 0) FROM now_task

-- metric: todos_overdue
SELECT COUNT(*) FROM now_task WHERE state = 'open' AND due < :today

-- metric: tagging_rate
SELECT 100.0 * COUNT(DISTINCT g.customer_id) / NULLIF(COUNT(DISTINCT a.customer_id), 0)
FROM now_add a LEFT JOIN x_tagging g ON g.customer_id = a.customer_id AND g.userid = a.userid AND g.at >= a.at

-- metric: speed_to_lead
SELECT AVG((SELECT MIN(t.at) FROM x_touch t
            WHERE t.customer_id = a.customer_id AND t.userid = a.userid AND t.scene <> 'welcome'
              AND t.at >= a.at AND t.at < a.at + days(7)) - a.at) / 60000000.0
FROM now_add a

-- metric: amount_per_head
SELECT ROUND(1.0 * (SELECT COALESCE(SUM(fen), 0) FROM now_line WHERE userid IN (SELECT userid FROM x_seller))
             / NULLIF((SELECT COUNT(*) FROM now_duty), 0)
             * (SELECT COUNT(*) FROM x_calendar WHERE workday = 1 AND day BETWEEN :first AND :until))

-- metric: active_staff_rate
SELECT 100.0 * COUNT(b.userid) / NULLIF(COUNT(*), 0)
FROM now_duty d LEFT JOIN x_busy b ON b.userid = d.userid AND b.day = d.day
