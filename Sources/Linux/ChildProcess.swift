import CLinux
import Glibc

/// A program that this process starts and waits for.
///
/// A child keeps only the descriptors handed to it. Waiting blocks the thread: never on the cooperative pool.
package struct ChildProcess: ~Copyable, Sendable {
    package let processID: Int32

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - path: of the program; not looked up.
    ///   - arguments: without the program's own name.
    ///   - environment: `NAME=value`.
    ///   - directory: the child's working directory; nil is ours.
    ///   - descriptors: our descriptors by the number that they get in the child. What is missing of 0, 1 and 2 becomes
    ///     `/dev/null`.
    ///   - newSession: the child leaves our session and terminal.
    package init(
        _ path: String, _ arguments: [String], environment: [String], directory: String? = nil,
        descriptors: [Int32: Int32] = [:], newSession: Bool = false
    ) throws(SystemError) {
        let null = try open("/dev/null", .update)
        var pairs: [Int32] = []
        for number in Set(descriptors.keys).union([0, 1, 2]).sorted() {
            pairs += [descriptors[number] ?? null.raw, number]
        }
        var pointers = unsafe ([path] + arguments).map { unsafe strdup($0) } + [nil]
        var variables = unsafe environment.map { unsafe strdup($0) } + [nil]
        defer {
            unsafe pointers.forEach { unsafe free($0) }
            unsafe variables.forEach { unsafe free($0) }
        }
        let count = Int32(pairs.count / 2)
        let result: Int32
        if let directory {
            unsafe result = clinux_spawn(path, &pointers, &variables, directory, pairs, count, newSession ? 1 : 0)
        } else {
            unsafe result = clinux_spawn(path, &pointers, &variables, nil, pairs, count, newSession ? 1 : 0)
        }
        processID = try check(result, "run", path)
    }

    /// Waits for the end: the exit code, or 128 and the signal's number.
    package consuming func wait() throws(SystemError) -> Int32 {
        var code: Int32 = 0
        try unsafe check(clinux_wait(processID, &code), "wait for", "process \(processID)")
        return code
    }
}

/// What a program that ran to its end said.
package struct ProgramResult: Sendable {
    package var code: Int32
    package var output: [UInt8]
    package var errorOutput: [UInt8]

    /// Standard error as text, without the last line break.
    package var message: String {
        var text = String(decoding: errorOutput, as: UTF8.self)
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}

/// Runs a program to its end, feeding and collecting its streams. Blocks the thread.
///
/// - Parameter limit: bytes of each output that are kept; the rest is read and dropped.
package func runProgram(
    _ path: String, _ arguments: [String], environment: [String], input: [UInt8] = [], limit: Int = 1 << 20
) throws(SystemError) -> ProgramResult {
    let stdin = try Pipe()
    let stdout = try Pipe()
    let stderr = try Pipe()
    let child = try ChildProcess(
        path, arguments, environment: environment,
        descriptors: [0: stdin.readEnd.raw, 1: stdout.writeEnd.raw, 2: stderr.writeEnd.raw])
    var outputs: [[UInt8]] = [[], []]
    let failure = exchange(
        input: input, to: stdin.takeWriteEnd(), from: [stdout.takeReadEnd(), stderr.takeReadEnd()], into: &outputs,
        limit: limit)
    let code = try child.wait()
    if let failure { throw failure }
    return ProgramResult(code: code, output: outputs[0], errorOutput: outputs[1])
}

/// Writes the input and reads the outputs as the child lets, until it closed them.
private func exchange(
    input: [UInt8], to writer: consuming OwnedDescriptor, from readers: [Int32], into outputs: inout [[UInt8]],
    limit: Int
) -> SystemError? {
    var writing: Int32 = writer.release()
    var reading = readers
    defer {
        for descriptor in reading + [writing] where descriptor >= 0 { close(descriptor) }
    }
    ignoreBrokenPipes()
    clinux_set_nonblocking(writing, 1)
    var rest = input[...]
    while true {
        if rest.isEmpty, writing >= 0 {
            close(writing)
            writing = -1
        }
        if reading.allSatisfy({ $0 < 0 }) { return nil }
        var files = reading.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        files.append(pollfd(fd: writing, events: Int16(POLLOUT), revents: 0))
        if unsafe poll(&files, UInt(files.count), -1) < 0 {
            if errno == EINTR { continue }
            return SystemError(errno: errno, operation: "wait for", subject: "program")
        }
        for index in reading.indices where files[index].revents != 0 {
            guard let chunk = try? readSome(from: reading[index], upTo: 64 << 10), !chunk.isEmpty else {
                close(reading[index])
                reading[index] = -1
                continue
            }
            outputs[index] += chunk.prefix(max(limit - outputs[index].count, 0))
        }
        if files[reading.count].revents != 0 {
            let count = unsafe rest.withUnsafeBytes { unsafe write(writing, $0.baseAddress, $0.count) }
            // A child that closed its input wants no more of it.
            if count >= 0 { rest = rest.dropFirst(count) } else if errno != EINTR && errno != EAGAIN { rest = [] }
        }
    }
}

/// Both ends of a pipe, not inherited by children unless handed to them.
package struct Pipe: ~Copyable, Sendable {
    package let readEnd: OwnedDescriptor
    package let writeEnd: OwnedDescriptor

    package init() throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        try unsafe check(clinux_pipe(&ends), "create", "pipe")
        readEnd = OwnedDescriptor(owning: ends[0])
        writeEnd = OwnedDescriptor(owning: ends[1])
    }

    /// The writing end alone; the other is closed.
    package consuming func takeWriteEnd() -> OwnedDescriptor { writeEnd }
    /// The reading end alone, to be closed by the caller; the other is closed.
    package consuming func takeReadEnd() -> Int32 { readEnd.release() }
    /// Both ends, to be closed by the caller.
    package consuming func taken() -> (readEnd: Int32, writeEnd: Int32) { (readEnd.release(), writeEnd.release()) }
}

/// Lets writes to a pipe or socket whose reader is gone fail instead of killing this thread's process.
package func ignoreBrokenPipes() {
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe sigaddset(&signals, SIGPIPE)
    unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
}
