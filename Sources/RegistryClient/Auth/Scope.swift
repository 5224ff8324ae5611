/// What a bearer token is asked for (distribution's token scope grammar).
struct Scope: Hashable, Sendable, CustomStringConvertible {
    enum Action: String, Sendable { case pull, pullPush = "pull,push" }

    var repository: String
    var action: Action

    var description: String { "repository:\(repository):\(action.rawValue)" }
}
