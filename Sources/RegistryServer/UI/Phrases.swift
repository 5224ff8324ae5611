/// What the pages say, in every language. A phrase without a translation cannot be written.
package struct Phrase: Sendable, Hashable {
    let english: String
    let chinese: String

    init(_ english: String, _ chinese: String) {
        self.english = english
        self.chinese = chinese
    }

    package static let repositories = Phrase("Repositories", "镜像仓库")
    package static let repository = Phrase("Repository", "仓库")
    package static let searchRepositories = Phrase("Search repositories", "搜索仓库")
    package static let nothingFound = Phrase("Nothing found.", "没有找到结果。")
    package static let tags = Phrase("Tags", "标签")
    package static let tag = Phrase("Tag", "标签")
    package static let digest = Phrase("Digest", "摘要")
    package static let size = Phrase("Size", "大小")
    package static let platforms = Phrase("Platforms", "平台")
    package static let pushed = Phrase("Pushed", "推送时间")
    package static let lastPull = Phrase("Last pull", "最近拉取")
    package static let never = Phrase("never", "从未")
    package static let layers = Phrase("Layers", "镜像层")
    package static let command = Phrase("Command", "命令")
    package static let noLayer = Phrase("no layer", "无层")
    package static let configuration = Phrase("Configuration", "配置")
    package static let referrers = Phrase("Referrers", "引用者")
    package static let kind = Phrase("Kind", "类型")
    package static let history = Phrase("Tag history", "标签历史")
    package static let historyHolds = Phrase("The chain of entries is unbroken.", "历史记录链完整。")
    package static let historyBroken = Phrase("The chain of entries is broken", "历史记录链已损坏")
    package static let when = Phrase("When", "时间")
    package static let who = Phrase("Who", "操作者")
    package static let removed = Phrase("removed", "已删除")
    package static let restore = Phrase("Restore", "恢复")
    package static let unique = Phrase("Unique", "独占")
    package static let shared = Phrase("Shared", "共享")
    package static let freedByRemoval = Phrase("Freed by removal", "删除可释放")
    package static let copy = Phrase("Copy", "复制")
    package static let copied = Phrase("Copied", "已复制")
    package static let logIn = Phrase("Log in", "登录")
    package static let logOut = Phrase("Log out", "退出登录")
    package static let userName = Phrase("User name", "用户名")
    package static let password = Phrase("Password", "密码")
    package static let wrongCredentials = Phrase("Wrong user name or password.", "用户名或密码错误。")
    package static let tooManyAttempts = Phrase("Too many attempts; try again later.", "尝试次数过多，请稍后再试。")
    package static let anonymous = Phrase("anonymous", "匿名")
    package static let administration = Phrase("Administration", "管理")
    package static let users = Phrase("Users", "用户")
    package static let robots = Phrase("Robot accounts", "机器人账户")
    package static let rights = Phrase("Rights", "权限")
    package static let webhooks = Phrase("Webhooks", "Webhook")
    package static let deliveries = Phrase("Deliveries", "投递记录")
    package static let retention = Phrase("Retention", "保留策略")
    package static let garbage = Phrase("Garbage collection", "垃圾回收")
    package static let audit = Phrase("Audit log", "审计日志")
    package static let preview = Phrase("Preview", "预览")
    package static let add = Phrase("Add", "添加")
    package static let remove = Phrase("Remove", "删除")
    package static let change = Phrase("Change", "更改")
    package static let reason = Phrase("Reason", "原因")
    package static let decision = Phrase("Decision", "决定")
    package static let stays = Phrase("stays", "保留")
    package static let goes = Phrase("goes", "删除")
    package static let pattern = Phrase("Repository pattern", "仓库模式")
    package static let subject = Phrase("For whom", "授予对象")
    package static let thing = Phrase("Subject", "对象")
    package static let actions = Phrase("Actions", "操作")
    package static let status = Phrase("Status", "状态")
    package static let attempts = Phrase("Attempts", "尝试次数")
    package static let nextAttempt = Phrase("Next attempt", "下次尝试")
    package static let replay = Phrase("Send again", "重新发送")
    package static let address = Phrase("Address", "地址")
    package static let expires = Phrase("Expires", "过期时间")
    package static let immutable = Phrase("immutable", "不可变")
    package static let notFound = Phrase("There is nothing here, or you may not see it.", "此处没有内容，或您无权查看。")
    package static let forbidden = Phrase("You may not do that.", "您无权执行此操作。")
    package static let staleForm = Phrase("The form is too old; load the page again.", "表单已过期，请重新加载页面。")
    package static let groups = Phrase("Groups", "用户组")
    package static let immutableTags = Phrase("Immutable tags", "不可变标签")
    package static let quotas = Phrase("Quotas", "配额")
    package static let used = Phrase("Used", "已用")
    package static let rules = Phrase("Rules", "规则")
    package static let events = Phrase("Events", "事件")
    package static let detail = Phrase("Detail", "详情")
    package static let administrator = Phrase("Administrator", "管理员")
    package static let disabled = Phrase("Disabled", "已禁用")
    package static let secretOnce = Phrase("The secret, shown only now", "密钥(仅显示一次)")
    package static let nothingToShow = Phrase("Nothing here yet.", "暂无内容。")
    package static let skipToContent = Phrase("Skip to content", "跳到正文")
    package static let nextPage = Phrase("Next page", "下一页")
    package static let youAreHere = Phrase("You are here", "当前位置")
    package static let account = Phrase("Account", "账户")
    package static let languages = Phrase("Languages", "语言")
    package static let changed = Phrase("Changed", "变更")
    package static let verified = Phrase("verified", "已验证")
    package static let totalSize = Phrase("Total size", "总大小")
    package static let filterTags = Phrase("Filter tags", "筛选标签")
    package static let filter = Phrase("Filter", "筛选")
    package static let removedTags = Phrase("Removed tags that can come back", "可恢复的已删除标签")
    package static let removeTag = Phrase("Remove this tag", "删除此标签")
    package static let removeTagHint = Phrase(
        "The tag goes, its layers stay until nothing needs them. It can be brought back for a while.",
        "标签将被删除，镜像层会保留到不再被需要为止。在一段时间内可以恢复。")
    package static let byTag = Phrase("By tag", "按标签")
    package static let byDigest = Phrase("By digest: always the same bytes", "按摘要：内容永远相同")
    package static let otherTools = Phrase("With other tools", "使用其他工具")
    package static let entrypoint = Phrase("Entrypoint", "入口点")
    package static let defaultCommand = Phrase("Default command", "默认命令")
    package static let runsAs = Phrase("Runs as", "运行用户")
    package static let workingDirectory = Phrase("Working directory", "工作目录")
    package static let environment = Phrase("Environment", "环境变量")
    package static let ports = Phrase("Ports", "端口")
    package static let volumes = Phrase("Volumes", "数据卷")
    package static let labels = Phrase("Labels", "标记")
    package static let built = Phrase("Built", "构建时间")
    package static let created = Phrase("Created", "创建时间")
    package static let wholeConfiguration = Phrase("The whole configuration", "完整配置")
    package static let firstPush = Phrase("Push a first image", "推送第一个镜像")
    package static let firstPushHint = Phrase(
        "Nothing is here yet. Any image of your machine will do:", "这里还没有内容。可以推送本机的任意镜像：")
    package static let logInToSee = Phrase(
        "Log in to see the repositories that you may pull.", "登录后即可查看您有权拉取的仓库。")
    package static let logInTo = Phrase("Log in to", "登录到")
    package static let save = Phrase("Save", "保存")
    package static let grant = Phrase("Grant", "授予")
    package static let grantTitle = Phrase("Grant a right", "授予权限")
    package static let rightsHint = Phrase(
        "Rights only add. Push brings pull, admin brings all. * is one level of names, ** every one below.",
        "权限只会叠加。推送包含拉取，管理包含全部。* 匹配一级名称，** 匹配其下所有名称。")
    package static let actionPull = Phrase("pull", "拉取")
    package static let actionPush = Phrase("push", "推送")
    package static let actionDelete = Phrase("delete", "删除")
    package static let actionAdmin = Phrase("admin", "管理")
    package static let enable = Phrase("Enable", "启用")
    package static let disable = Phrase("Disable", "禁用")
    package static let makeAdministrator = Phrase("Make administrator", "设为管理员")
    package static let takeAdministrator = Phrase("No longer administrator", "取消管理员")
    package static let setPassword = Phrase("Set password", "设置密码")
    package static let newPassword = Phrase("New password", "新密码")
    package static let daysUntilExpiry = Phrase("Days until it expires", "有效天数")
    package static let newSecret = Phrase("New secret", "生成新密钥")
    package static let leave = Phrase("Leave", "退出")
    package static let member = Phrase("Member", "成员")
    package static let members = Phrase("Members", "成员")
    package static let back = Phrase("Back to the repositories", "返回仓库列表")
    package static let refused = Phrase("Not allowed", "没有权限")
    package static let missing = Phrase("Not found", "未找到")
    package static let problem = Phrase("That did not work", "操作未成功")
    package static let runNow = Phrase("Run now", "立即运行")
    package static let name = Phrase("Name", "名称")
    package static let action = Phrase("Action", "操作")
    package static let limit = Phrase("Limit", "上限")
    package static let active = Phrase("active", "正常")
    package static let everyTag = Phrase("Tag pattern", "标签模式")
    package static let delivered = Phrase("delivered", "已送达")
    package static let waiting = Phrase("waiting", "等待中")
    package static let failed = Phrase("failed", "失败")
    package static let result = Phrase("Results for", "搜索结果：")

    /// Every one, for their test.
    package static let allPhrases: [Phrase] = [
        repositories, repository, searchRepositories, nothingFound, tags, tag, digest, size, platforms,
        pushed, lastPull, never, layers, command, noLayer, configuration, referrers, kind, history, historyHolds,
        historyBroken, when, who, removed, restore, unique, shared, freedByRemoval, copy, copied, logIn,
        logOut, userName, password, wrongCredentials, tooManyAttempts, anonymous, administration, users, robots,
        rights, webhooks, deliveries, retention, garbage, audit, preview, add, remove, change, reason, decision,
        stays, goes, pattern, subject, thing, actions, status, attempts, nextAttempt, replay, address, expires,
        immutable,
        notFound, forbidden, staleForm, groups, immutableTags, quotas, used, rules, events, detail, administrator,
        disabled, secretOnce, nothingToShow, skipToContent, nextPage, youAreHere, account, languages, changed,
        verified, totalSize, filterTags, filter, removedTags, removeTag, removeTagHint, byTag, byDigest, otherTools,
        entrypoint, defaultCommand, runsAs, workingDirectory, environment, ports, volumes, labels, built, created,
        wholeConfiguration, firstPush, firstPushHint, logInToSee, logInTo, save, grant, grantTitle,
        rightsHint, actionPull, actionPush, actionDelete, actionAdmin, enable, disable, makeAdministrator,
        takeAdministrator, setPassword, newPassword, daysUntilExpiry, newSecret, leave, member, members, back,
        refused, missing, problem, runNow, name, action, limit, active, everyTag, delivered, waiting,
        failed, result,
    ]
}
