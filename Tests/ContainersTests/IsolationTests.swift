import Containers
import Linux
import OCI
import TestSupport
import Testing

@Suite struct IsolationTests {
    @Test func fiveContainersOfOneImageSeeNothingOfEachOther() async throws {
        let bench = try ContainerBench([
            .directory("srv"), .file("srv/changed", "image"), .file("srv/removed", "image"),
            .file("srv/renamed", "image"),
            .file("srv/mode", "image", mode: 0o640), .directory("srv/dir"), .file("srv/dir/inner", "image"),
        ])
        let look =
            "cd /srv && find . | sort | xargs stat -c '%n %a %s' | grep -v './dir ' ; cat changed renamed 2>/dev/null"
        let before = try bench.run(["sh", "-c", look]).output
        // Each changes, removes, renames and chmods the same files, says so, and waits until all have.
        let script = """
            cd /srv; echo $1 > changed; rm removed; mv renamed moved; chmod 600 mode; rm -r dir; mkdir dir; touch dir/$1
            echo done; while ! test -e /go; do sleep 0.05; done; cat changed; ls; ls dir; stat -c %a mode
            """
        let ids = try (1...5).map { number in
            try bench.startDetached(["sh", "-c", script, "sh", "\(number)"]) { $0.name = "five\(number)" }
        }
        for id in ids { try bench.waitForLog(id, "done") }
        // One copy of the image, five layers of what each wrote.
        let mounted = try mountTable().filter { $0.target.hasPrefix(bench.root + "/") }
        #expect(mounted.filter { $0.kind == "erofs" }.count == 2 && mounted.filter { $0.kind == "overlay" }.count == 5)
        for id in ids { #expect(try bench.service.writtenBytes(id) < 64 << 10) }
        #expect(try bench.run(["sh", "-c", look]).output == before)
        for id in ids { _ = try bench.exec(id, ["touch", "/go"]) }
        for (index, id) in ids.enumerated() {
            #expect(try bench.service.wait(id) == 0)
            var output = ""
            try bench.service.logs(id, LogRequest()) { entry in
                output += String(decoding: entry.text, as: UTF8.self)
                return true
            }
            #expect(output == "done\n\(index + 1)\nchanged\ndir\nmode\nmoved\n\(index + 1)\n600\n")
            try bench.service.remove(id)
        }
        #expect(try bench.run(["sh", "-c", look]).output == before)
        let left = try bench.leftovers()
        #expect(left == [])
    }

    @Test func aHundredContainersInBatchesLeaveNothing() async throws {
        let bench = try ContainerBench()
        let codes = try await withThrowingTaskGroup(of: [Int32].self) { group in
            for batch in 0..<10 {
                group.addTask {
                    try await bench.service.perform { service in
                        try (0..<10).map { number in
                            let request = bench.request(["sh", "-c", "exit \((batch * 10 + number) % 100)"]) {
                                request in
                                // Half of them remove themselves, half are removed.
                                request.hostConfig.autoRemove = number.isMultiple(of: 2)
                                request.hostConfig.binds = ["/data"]
                            }
                            let id = try service.create(request).record.id
                            let code = try service.runAttached(id, .init(input: nil, output: nil, errorOutput: nil))
                            if !number.isMultiple(of: 2) { try service.remove(id, volumes: true) }
                            return code ?? -1
                        }
                    }
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(codes.sorted() == Array(0..<100))
        #expect(try bench.service.list().isEmpty && bench.service.volumes.list().isEmpty)
        #expect(try bench.service.check(repair: false) == [])
        let left = try bench.leftovers()
        #expect(left == [])
        #expect(try names(in: bench.root + "/containers") == ["names"])
    }
}
