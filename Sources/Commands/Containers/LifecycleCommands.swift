import Containers
import Glibc

private let signal = Flag.string("signal", "s", "Signal to send to the container")
private let timeout = Flag.int("timeout", "t", "Seconds to wait before killing the container")
private let oldTimeout = Flag.int("time", nil, "Seconds to wait before killing the container").hidden

extension Command {
    static let containerStop = Command(
        "stop", "CONTAINER [CONTAINER...]", "Stop one or more running containers", shortForms: ["stop"],
        flags: [signal.spec, timeout.spec, oldTimeout.spec], count: .atLeast(1), completes: .runningContainers
    ) { call in
        let chosen = try call[signal].map(Signal.parse)
        let seconds = call[timeout] ?? call[oldTimeout]
        return try await call.forEachContainer(call.arguments) { service, id in
            try service.stop(id, timeout: seconds, signal: chosen)
            return nil
        }
    }

    static let containerRestart = Command(
        "restart", "CONTAINER [CONTAINER...]", "Restart one or more containers", shortForms: ["restart"],
        flags: [signal.spec, timeout.spec, oldTimeout.spec], count: .atLeast(1), completes: .containers
    ) { call in
        let chosen = try call[signal].map(Signal.parse)
        let seconds = call[timeout] ?? call[oldTimeout]
        return try await call.forEachContainer(call.arguments) { service, id in
            try service.restart(id, timeout: seconds, signal: chosen)
            return nil
        }
    }

    static let containerKill = Command(
        "kill", "CONTAINER [CONTAINER...]", "Kill one or more running containers", shortForms: ["kill"],
        flags: [signal.spec], count: .atLeast(1), completes: .runningContainers
    ) { call in
        let chosen = try call[signal].map(Signal.parse) ?? SIGKILL
        return try await call.forEachContainer(call.arguments) { service, id in
            try service.kill(id, signal: chosen)
            return nil
        }
    }

    static let containerWait = Command(
        "wait", "CONTAINER [CONTAINER...]", "Block until one or more containers stop, then print their exit codes",
        shortForms: ["wait"], count: .atLeast(1), completes: .containers
    ) { call in
        try await call.forEachContainer(call.arguments) { service, id in "\(try service.wait(id))" }
    }

    static let containerPause = Command(
        "pause", "CONTAINER [CONTAINER...]", "Pause all processes within one or more containers",
        shortForms: ["pause"], count: .atLeast(1), completes: .runningContainers
    ) { call in
        try await call.forEachContainer(call.arguments) { service, id in
            try service.pause(id)
            return nil
        }
    }

    static let containerUnpause = Command(
        "unpause", "CONTAINER [CONTAINER...]", "Unpause all processes within one or more containers",
        shortForms: ["unpause"], count: .atLeast(1), completes: .runningContainers
    ) { call in
        try await call.forEachContainer(call.arguments) { service, id in
            try service.unpause(id)
            return nil
        }
    }

    static let containerRename = Command(
        "rename", "CONTAINER NEW_NAME", "Rename a container", shortForms: ["rename"], count: .exactly(2),
        completes: .containers
    ) { call in
        let (old, new) = (call.arguments[0], call.arguments[1])
        if old.isEmpty || new.isEmpty { throw ContainerError(.invalid, "Neither old nor new names may be empty") }
        try await call.session.containers().perform { service in try service.rename(try service.find(old), to: new) }
        return 0
    }

    // MARK: Removing

    private static let force = Flag.bool("force", "f", "Force the removal of a running container (uses SIGKILL)")
    private static let withVolumes = Flag.bool(
        "volumes", "v", "Remove anonymous volumes associated with the container")
    private static let link = Flag.bool("link", "l", "Remove the specified link").hidden

    static let containerRemove = Command(
        "rm", "CONTAINER [CONTAINER...]", "Remove one or more containers", aliases: ["remove"], shortForms: ["rm"],
        flags: [force.spec, withVolumes.spec, link.spec], count: .atLeast(1), completes: .containers
    ) { call in
        if call[link] {
            throw ContainerError(.invalid, "--link is not supported", hint: "containers have no links here")
        }
        let (isForced, takesVolumes) = (call[force], call[withVolumes])
        return try await call.forEachContainer(
            call.arguments,
            forgiving: { error in isForced && (error as? ContainerError)?.code == .notFound }
        ) { service, id in
            try service.remove(id, force: isForced, volumes: takesVolumes)
            return nil
        }
    }

    private static let filters = Flag.list(
        "filter", nil, "Provide filter values (e.g. \"until=<timestamp>\")", valueName: "filter")
    private static let unasked = Flag.bool("force", "f", "Do not prompt for confirmation")

    static let containerPrune = Command(
        "prune", "", "Remove all stopped containers", flags: [filters.spec, unasked.spec]
    ) { call in
        var filter = ContainerFilter()
        for text in call[filters] { try filter.add(text, pruning: true) }
        let until = try filter.untilText.map { try Moment.parse($0) }
        if !call[unasked] {
            call.console.complain("WARNING! This will remove all stopped containers.")
            guard call.console.confirm("Are you sure you want to continue?") else { return 1 }
        }
        let chosen = filter
        let (removed, bytes) = try await call.session.containers().perform { service in
            try service.prune { info in
                chosen.matches(info) && until.map { info.record.created < $0 } ?? true
            }
        }
        var text = ""
        if !removed.isEmpty { text = "Deleted Containers:\n" + removed.map { "\($0)\n" }.joined() + "\n" }
        call.console.write(text + "Total reclaimed space: \(Units.size(bytes, digits: 4))\n")
        return 0
    }

    /// What conmon runs when a container or an exec ended.
    static let containerCleanUp = Command(
        "cleanup", "CONTAINER [SESSION]", "Clean up after a container or exec that ended", count: .between(1, 2),
        isHidden: true
    ) { call in
        guard let id = ContainerID(call.arguments[0]) else {
            throw ContainerError(.invalid, "not a container ID: \(call.arguments[0])")
        }
        let session = call.arguments.dropFirst().first
        try await call.session.containers().perform { service in
            if let session { try service.removeExec(id, session: session) } else { try service.cleanUp(id) }
        }
        return 0
    }
}
