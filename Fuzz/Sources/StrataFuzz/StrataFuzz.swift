import CFuzzer
import Glibc
import Synchronization
import TestSupport

/// `StrataFuzz list`, `StrataFuzz seeds TARGET DIRECTORY`, or `StrataFuzz run TARGET` and libFuzzer's arguments.
@main
enum StrataFuzz {
    static let targets = ArchiveTargets.all + OCITargets.all + RegistryClientTargets.all
    private static let chosen = Mutex<FuzzTarget?>(nil)

    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count > 1, arguments[1] != "list" else { return targets.forEach { print($0) } }
        guard arguments.count > 2, let target = targets.first(where: { $0.description == arguments[2] }) else {
            print("usage: StrataFuzz list | seeds TARGET DIRECTORY | run TARGET [LIBFUZZER-ARGUMENT]…")
            exit(2)
        }
        if arguments[1] == "seeds", arguments.count > 3 {
            for (number, seed) in try target.seeds().enumerated() {
                try write(seed, to: "\(arguments[3])/seed-\(number)")
            }
            return
        }
        chosen.withLock { $0 = target }
        var pointers = unsafe ([arguments[0]] + arguments.dropFirst(3)).map { unsafe strdup($0) } + [nil]
        var count = Int32(pointers.count - 1)
        let status = unsafe pointers.withUnsafeMutableBufferPointer { buffer in
            var base = buffer.baseAddress
            return unsafe LLVMFuzzerRunDriver(&count, &base) { data, size in
                StrataFuzz.runOne(unsafe [UInt8](UnsafeBufferPointer(start: data, count: size)))
                return 0
            }
        }
        exit(status)
    }

    private static func runOne(_ bytes: [UInt8]) {
        guard let target = chosen.withLock({ $0 }) else { return }
        do { try target.run(bytes) } catch { fatalError("\(target): \(error)") }
    }

    private static func write(_ bytes: [UInt8], to path: String) throws {
        guard let file = unsafe fopen(path, "w") else { fatalError("cannot write \(path): error \(errno)") }
        defer { unsafe fclose(file) }
        _ = unsafe fwrite(bytes, 1, bytes.count, file)
    }
}
