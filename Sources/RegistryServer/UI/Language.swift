/// The languages of the pages.
package enum Language: String, Sendable, CaseIterable {
    case english = "en"
    case chinese = "zh-Hans"

    /// The language a browser asks for: the first of `Accept-Language` that we have, English otherwise (RFC 9110 §12.5.4).
    package init(accepting header: String?) {
        var best: (language: Language, quality: Double)?
        for item in (header ?? "").prefix(1000).split(separator: ",") {
            let parts = item.split(separator: ";").map { $0.filter { !$0.isWhitespace } }
            guard let tag = parts.first?.lowercased() else { continue }
            let quality = parts.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
            let language: Language? =
                switch tag.split(separator: "-").first.map(String.init) {
                case "en": .english
                // Readers of the traditional script get what is nearest.
                case "zh": .chinese
                default: nil
                }
            if let language, quality > 0, quality > best?.quality ?? 0 { best = (language, quality) }
        }
        self = best?.language ?? .english
    }

    /// A word or sentence in this language.
    package func callAsFunction(_ phrase: Phrase) -> String {
        switch self {
        case .english: phrase.english
        case .chinese: phrase.chinese
        }
    }
}

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
    package static let search = Phrase("Search", "搜索")
    package static let searchRepositories = Phrase("Search repositories", "搜索仓库")
    package static let noRepositories = Phrase("No repository yet that you may see.", "还没有您可以查看的仓库。")
    package static let nothingFound = Phrase("Nothing found.", "没有找到结果。")
    package static let tags = Phrase("Tags", "标签")
    package static let tag = Phrase("Tag", "标签")
    package static let digest = Phrase("Digest", "摘要")
    package static let size = Phrase("Size", "大小")
    package static let platforms = Phrase("Platforms", "平台")
    package static let platform = Phrase("Platform", "平台")
    package static let pushed = Phrase("Pushed", "推送时间")
    package static let lastPull = Phrase("Last pull", "最近拉取")
    package static let never = Phrase("never", "从未")
    package static let pulls = Phrase("Pulls", "拉取次数")
    package static let layers = Phrase("Layers", "镜像层")
    package static let layer = Phrase("Layer", "层")
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
    package static let space = Phrase("Space", "存储空间")
    package static let unique = Phrase("Unique", "独占")
    package static let shared = Phrase("Shared", "共享")
    package static let freedByRemoval = Phrase("Freed by removal", "删除可释放")
    package static let pull = Phrase("Pull", "拉取")
    package static let copy = Phrase("Copy", "复制")
    package static let copied = Phrase("Copied", "已复制")
    package static let logIn = Phrase("Log in", "登录")
    package static let logOut = Phrase("Log out", "退出登录")
    package static let userName = Phrase("User name", "用户名")
    package static let password = Phrase("Password", "密码")
    package static let wrongCredentials = Phrase("Wrong user name or password.", "用户名或密码错误。")
    package static let tooManyAttempts = Phrase("Too many attempts; try again later.", "尝试次数过多,请稍后再试。")
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
    package static let run = Phrase("Run", "运行")
    package static let add = Phrase("Add", "添加")
    package static let remove = Phrase("Remove", "删除")
    package static let change = Phrase("Change", "更改")
    package static let reason = Phrase("Reason", "原因")
    package static let decision = Phrase("Decision", "决定")
    package static let stays = Phrase("stays", "保留")
    package static let goes = Phrase("goes", "删除")
    package static let pattern = Phrase("Repository pattern", "仓库模式")
    package static let subject = Phrase("For whom", "授予对象")
    package static let actions = Phrase("Actions", "操作")
    package static let status = Phrase("Status", "状态")
    package static let attempts = Phrase("Attempts", "尝试次数")
    package static let nextAttempt = Phrase("Next attempt", "下次尝试")
    package static let replay = Phrase("Send again", "重新发送")
    package static let address = Phrase("Address", "地址")
    package static let expires = Phrase("Expires", "过期时间")
    package static let immutable = Phrase("immutable", "不可变")
    package static let notFound = Phrase("There is nothing here, or you may not see it.", "此处没有内容,或您无权查看。")
    package static let forbidden = Phrase("You may not do that.", "您无权执行此操作。")
    package static let staleForm = Phrase("The form is too old; load the page again.", "表单已过期,请重新加载页面。")
    package static let groups = Phrase("Groups", "用户组")
    package static let immutableTags = Phrase("Immutable tags", "不可变标签")
    package static let quotas = Phrase("Quotas", "配额")
    package static let used = Phrase("Used", "已用")
    package static let rules = Phrase("Rules", "规则")
    package static let events = Phrase("Events", "事件")
    package static let detail = Phrase("Detail", "详情")
    package static let yes = Phrase("yes", "是")
    package static let administrator = Phrase("Administrator", "管理员")
    package static let disabled = Phrase("Disabled", "已禁用")
    package static let secretOnce = Phrase("The secret, shown only now", "密钥(仅显示一次)")
    package static let nothingToShow = Phrase("Nothing here yet.", "暂无内容。")
    package static let skipToContent = Phrase("Skip to content", "跳到正文")
    package static let nextPage = Phrase("Next page", "下一页")
    package static let allPhrases: [Phrase] = [
        repositories, repository, search, searchRepositories, noRepositories, nothingFound, tags, tag, digest, size,
        platforms,
        platform, pushed, lastPull, never, pulls, layers, layer, command, noLayer, configuration, referrers, kind,
        history,
        historyHolds, historyBroken, when, who, removed, restore, space, unique, shared, freedByRemoval, pull, copy,
        copied,
        logIn, logOut, userName, password, wrongCredentials, tooManyAttempts, anonymous, administration, users, robots,
        rights, webhooks, deliveries, retention, garbage, audit, preview, run, add, remove, change, reason, decision,
        stays,
        goes, pattern, subject, actions, status, attempts, nextAttempt, replay, address, expires, immutable, notFound,
        forbidden, staleForm, skipToContent, nextPage, groups, immutableTags, quotas, used, rules, events, detail, yes,
        administrator, disabled, secretOnce, nothingToShow,
    ]
}
