/** Every text of the page's own, in both languages; `{name}` marks what is filled in. */

const TEXTS = {
  title: ["模拟企业微信", "Simulated WeCom"],
  subtitle: ["扮演员工与客户，看助手如何应答", "Play staff and customers, and watch the assistant answer"],
  offline: ["与模拟器的连接断开，正在重连…", "Lost the simulator; connecting again…"],
  views: ["视图", "Views"],
  tab_people: ["人员", "People"],
  tab_chat: ["员工聊天", "Staff chat"],
  tab_phone: ["客户手机", "Customer"],
  tab_traffic: ["调用", "Calls"],
  staff: ["员工", "Staff"],
  customers: ["客户", "Customers"],
  customers_more: ["客户（最新 {shown} / {total}）", "Customers (newest {shown} of {total})"],
  new_customer: ["＋ 新客户", "+ New customer"],
  no_customers: ["还没有客户。在「客户手机」里以客户身份添加一位员工试试。", "No customers yet. Add a member of staff as a customer to begin."],
  unread: ["有新消息", "new messages"],
  adds: ["添加了 {names}", "Added {names}"],
  adds_nobody: ["未添加任何员工", "Follows no one"],
  chat_log: ["应用发来的消息", "Messages of the app"],
  chat_owner: ["{name} 的企业微信 · {departments}", "{name}'s WeCom · {departments}"],
  chat_empty: ["还没有消息。输入一句话试试，例如「帮助」。", "No messages yet. Type something, for example “help”."],
  menu: ["应用菜单", "App menu"],
  type_label: ["以这位员工的身份输入", "Type as this member of staff"],
  type_here: ["输入消息，回车发送", "Type a message, Enter sends"],
  send: ["发送", "Send"],
  received_log: ["客户收到的消息", "What the customer received"],
  received_empty: ["客户还没有收到消息。", "Nothing received yet."],
  received_waiting: ["已添加，正在等待欢迎语…（20 秒内有效）", "Added. Waiting for the welcome message (it may arrive within 20 s)…"],
  phone_new: ["以客户身份添加好友", "Add a friend as a customer"],
  phone_new_note: ["像客户一样扫码添加员工，欢迎语随后到达", "Like scanning a member's code; a welcome follows"],
  phone_more: ["{name} 再添加一位员工", "{name} adds another member"],
  add_member: ["添加哪位员工", "Member of staff to add"],
  add_name: ["客户姓名", "Customer's name"],
  add_name_hint: ["例如 李女士（可不填）", "e.g. Ms Li (optional)"],
  add_state: ["渠道参数 state", "Channel (state)"],
  add_state_hint: ["例如 expo-2026（可不填）", "e.g. expo-2026 (optional)"],
  add_half: ["免验证添加，员工稍后确认", "Half add: the member confirms later"],
  add_button: ["添加好友", "Add friend"],
  add_note: ["平台会把添加事件回调给机器人；欢迎码 20 秒内有效，只能用一次。", "The platform calls the bot back; the welcome code works once, within 20 seconds."],
  adding: ["正在添加…", "Adding…"],
  add_another: ["再添加员工", "Add another"],
  ties: ["好友关系", "Ties"],
  ties_empty: ["与所有员工都已不是好友。", "No longer a friend of any member of staff."],
  tie_half: ["待员工确认", "not confirmed yet"],
  tie_state: ["渠道 {state}", "channel {state}"],
  tie_lost: ["客户已删除该员工", "deleted by the customer"],
  confirm: ["员工确认", "Member confirms"],
  edit_remark: ["备注", "Remark"],
  edit_tags: ["标签", "Tags"],
  edit_hint: ["在员工的客户端里修改", "Edited in the member's client"],
  remark_of: ["{name} 给客户的备注", "{name}'s remark for the customer"],
  tags_of: ["{name} 给客户的标签，空格分隔", "{name}'s tags for the customer, by spaces"],
  save: ["保存", "Save"],
  staff_deletes: ["员工删除客户", "Member deletes"],
  customer_deletes: ["客户删除员工", "Customer deletes"],
  source_welcome: ["欢迎语", "Welcome"],
  source_console_welcome: ["后台欢迎语", "Console welcome"],
  source_group_send: ["群发", "Mass send"],
  traffic: ["平台收到的调用", "Calls to the platform"],
  no_calls: ["还没有调用。", "No calls yet."],
  call_cut: ["断开", "cut"],
  delivered: ["回调已送达 · {ms} ms", "Callback delivered · {ms} ms"],
  undelivered: ["机器人没有应答回调（试了 {tries} 次，状态 {status}）", "The bot did not take the callback ({tries} tries, status {status})"],
  refused: ["没有成功：{reason}", "That did not work: {reason}"],
  details: ["查看详情", "Details"],
  image: ["图片", "Picture"],
  voice: ["语音", "Voice"],
  video: ["视频", "Video"],
  file: ["文件", "File"],
  miniprogram: ["小程序", "Mini program"],
  more: ["更多操作", "More actions"],
  choose: ["请选择", "Choose"],
  recalled: ["应用撤回了这条消息", "The app recalled this message"],
  unknown_message: ["不支持显示的消息：{msgtype}", "A message this page cannot show: {msgtype}"],
};

export const english = new URLSearchParams(location.search).get("lang") === "en";
export const locale = english ? "en-GB" : "zh-CN";

/** The text of this name in the page's language. */
export function text(name, values = {}) {
  return TEXTS[name][english ? 1 : 0].replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
}

/** Fill in every element of the document that asks for a text by name. */
export function fillIn(root) {
  for (const node of root.querySelectorAll("[data-text]")) node.textContent = text(node.dataset.text);
  for (const node of root.querySelectorAll("[data-label]")) node.setAttribute("aria-label", text(node.dataset.label));
  for (const node of root.querySelectorAll("[data-placeholder]")) node.placeholder = text(node.dataset.placeholder);
  document.documentElement.lang = locale;
  document.title = text("title");
}

const SHANGHAI = { timeZone: "Asia/Shanghai" };
const TIME = new Intl.DateTimeFormat(locale, { ...SHANGHAI, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const SECONDS = new Intl.DateTimeFormat(locale, { ...SHANGHAI, timeStyle: "medium", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(locale, { ...SHANGHAI, month: "short", day: "numeric", weekday: "short" });

/** Names one after the other. */
export const listed = (names) => names.join(english ? ", " : "、");

export const time = (at) => TIME.format(at * 1000);
export const seconds = (at) => SECONDS.format(at * 1000);
export const day = (at) => DAY.format(at * 1000);
