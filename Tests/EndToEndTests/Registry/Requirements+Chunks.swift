import OCI
import TestSupport
import Testing

extension Requirement {
    private static let section = "Pushing a blob in chunks"

    /// Ends an upload and demands that the blob is there.
    private static func close(
        _ client: ConformanceClient, _ location: String, _ bytes: [UInt8], last: [UInt8] = [],
        headers: [String: String] = [:]
    ) async throws {
        let answer = try await client.send(
            "PUT", client.adding("digest=\(client.digest(bytes))", to: location), headers: headers, body: last)
        #expect(answer.status == 201 && answer["Docker-Content-Digest"] == "\(client.digest(bytes))", "\(answer)")
        let pulled = try await client.send("GET", try client.location(answer))
        #expect(pulled.status == 200 && pulled.body == bytes)
    }

    static let chunks: [Requirement] = [
        .init(section, .must, "POST with Content-Length 0 opens a session") { client in
            let answer = try await client.send("POST", "/blobs/uploads/", headers: ["Content-Length": "0"], body: [])
            #expect(answer.status == 202, "\(answer)")
            // A least length of chunks is told as a number, where there is one.
            if let least = answer["OCI-Chunk-Min-Length"] { #expect(Int(least).map { $0 >= 0 } == true) }
        },
        .init(section, .must, "a chunk is 202 with a Location and the Range of what is there") { client in
            let bytes = client.content("blob", 3000)
            var location = try await client.upload()
            for start in stride(from: 0, to: 3000, by: 1000) {
                let answer = try await client.patch(location, Array(bytes[start..<start + 1000]), at: start)
                #expect(answer.status == 202 && answer["Range"] == "0-\(start + 999)", "\(answer)")
                location = try client.location(answer)
            }
            try await close(client, location, bytes)
        },
        .init(section, .may, "the last chunk comes with the closing PUT") { client in
            let bytes = client.content("blob", 3000)
            let location = try await client.upload()
            let answer = try await client.patch(location, Array(bytes[..<2000]), at: 0)
            try await close(
                client, try client.location(answer), bytes, last: Array(bytes[2000...]),
                headers: ["Content-Range": "2000-2999"])
        },
        .init(section, .must, "the first chunk begins with 0") { client in
            let location = try await client.upload()
            let answer = try await client.patch(location, client.content("blob", 100), at: 1)
            client.expect(answer, 416, code: "BLOB_UPLOAD_INVALID")
        },
        .init(section, .must, "a chunk out of order is 416, and the upload goes on from what GET tells") { client in
            let bytes = client.content("blob", 3000)
            var location = try await client.upload()
            location = try client.location(try await client.patch(location, Array(bytes[..<1000]), at: 0))
            for (start, end) in [(2000, 3000), (0, 1000), (999, 1999), (1001, 2001)] {
                let answer = try await client.patch(location, Array(bytes[start..<end]), at: start)
                client.expect(answer, 416, code: "BLOB_UPLOAD_INVALID")
                let status = try await client.send("GET", location)
                #expect(status.status == 204 && status["Range"] == "0-999", "\(status)")
                location = try client.location(status)
            }
            location = try client.location(try await client.patch(location, Array(bytes[1000..<2000]), at: 1000))
            // The next version says the same of the last chunk.
            let early = try await client.send(
                "PUT", client.adding("digest=\(client.digest(bytes))", to: location),
                headers: ["Content-Range": "2500-2999"], body: Array(bytes[2500...]))
            client.expect(early, 416, code: "BLOB_UPLOAD_INVALID")
            try await close(
                client, location, bytes, last: Array(bytes[2000...]), headers: ["Content-Range": "2000-2999"])
        },
        .init(section, .must, "a Content-Range has the form of its expression") { client in
            let location = try await client.upload()
            for range in [
                "x", "0-", "-9", "0", "9-0", "bytes 0-9/10", "0-9/10", "0-9,10-19", "+0-9", "0-99999999999999999999",
            ] {
                let answer = try await client.send(
                    "PATCH", location, headers: ["Content-Range": range], body: client.content("blob", 10))
                client.expect(answer, 400, 416)
            }
            client.expect(
                try await client.send(
                    "PATCH", location, headers: ["Content-Range": "0-9"], body: client.content("blob", 11)),
                400, code: "SIZE_INVALID")
            #expect(try await client.send("GET", location).status == 204)
        },
        .init(section, .must, "the status of an upload is 204 with a Location and a Range") { client in
            let location = try await client.upload()
            let empty = try await client.send("GET", location)
            #expect(empty.status == 204 && empty["Location"] != nil && empty["Range"]?.hasPrefix("0-") == true)
            _ = try await client.patch(location, client.content("blob", 10), at: 0)
            let status = try await client.send("GET", location)
            #expect(
                status.status == 204 && status["Location"] != nil && status["Range"] == "0-9" && status.body.isEmpty)
        },
        .init(section, .must, "the closing PUT has the digest of the whole blob") { client in
            let bytes = client.content("blob", 100)
            let location = try client.location(
                try await client.patch(try await client.upload(), bytes, at: 0))
            client.expect(try await client.send("PUT", location, body: []), 400, code: "DIGEST_INVALID")
            for digest in [
                "x", "sha256:", "md5:\(String(repeating: "0", count: 32))",
                "sha256:\(String(repeating: "z", count: 64))",
            ] {
                client.expect(
                    try await client.send("PUT", client.adding("digest=\(digest)", to: location), body: []), 400,
                    code: "DIGEST_INVALID")
            }
            // Nothing of that ended the session.
            try await close(client, location, bytes)
        },
        .init(section, .must, "bytes with another digest are refused with 400 and kept nowhere") { client in
            let bytes = client.content("blob", 100)
            let location = try client.location(
                try await client.patch(try await client.upload(), bytes, at: 0))
            client.expect(
                try await client.send("PUT", client.adding("digest=\(client.nothing)", to: location), body: []), 400,
                code: "DIGEST_INVALID")
            #expect(try await client.send("HEAD", "/blobs/\(client.digest(bytes))").status == 404)
        },
        .init(section, .must, "a closed session is gone") { client in
            let bytes = client.content("blob", 100)
            let location = try client.location(
                try await client.patch(try await client.upload(), bytes, at: 0))
            try await close(client, location, bytes)
            client.expect(try await client.send("GET", location), 404, code: "BLOB_UPLOAD_UNKNOWN")
            client.expect(try await client.patch(location, bytes, at: 0), 404, code: "BLOB_UPLOAD_UNKNOWN")
            client.expect(
                try await client.send("PUT", client.adding("digest=\(client.digest(bytes))", to: location), body: []),
                404, code: "BLOB_UPLOAD_UNKNOWN")
        },
        .init(section, .must, "a session that never was is 404, also that of another repository") { client in
            let other = try await client.upload()
            let name = try #require(other.split(separator: "?").first?.split(separator: "/").last)
            for location in [
                "/blobs/uploads/00000000-0000-4000-8000-000000000000", "/blobs/uploads/x", "/blobs/uploads/../../x",
                "/blobs/uploads/%2e%2e%2fx", "/v2/\(client.repository)/other/blobs/uploads/\(name)",
            ] {
                for method in ["GET", "PATCH", "PUT", "DELETE"] {
                    let path = method == "PUT" ? "\(location)?digest=\(client.nothing)" : location
                    client.expect(try await client.send(method, path, body: method == "GET" ? nil : []), 400, 404)
                }
            }
            #expect(try await client.send("GET", other).status == 204)
        },
        .init(section, .ours, "a chunk without a range is appended, also one of unknown length") { client in
            let bytes = client.content("blob", 500)
            let location = try await client.upload()
            let first = try await client.send("PATCH", location, body: Array(bytes[..<200]))
            #expect(first.status == 202 && first["Range"] == "0-199")
            let second = try await client.send(
                "PATCH", try client.location(first), headers: ["Transfer-Encoding": "chunked"],
                body: client.chunked([bytes[200..<300], bytes[300...]]))
            #expect(second.status == 202 && second["Range"] == "0-499", "\(second)")
            try await close(client, try client.location(second), bytes)
        },
        .init("Resumable Push", .ours, "after a broken connection the client goes on where GET says") { client in
            let bytes = client.content("blob", 200_000)
            let location = try await client.upload()
            _ = try await client.send(
                "PATCH", location, headers: ["Content-Range": "0-199999"], body: bytes, cut: 150_000)
            // The server may still be taking what came: until it has, it may say 409, or get further than it just said.
            let deadline = ContinuousClock.now + .seconds(20)
            var rest = try await client.send("GET", location)
            while rest.status != 202 || rest["Range"] != "0-199999" {
                try #require(ContinuousClock.now < deadline, "\(rest)")
                let status = try await client.send("GET", location)
                if status.status == 204 {
                    let last = try #require(status["Range"]?.split(separator: "-").last.flatMap { Int($0) })
                    let start = last == 0 ? 0 : last + 1
                    rest = try await client.patch(location, Array(bytes[start...]), at: start)
                    #expect([202, 409, 416].contains(rest.status), "\(rest)")
                } else {
                    #expect(status.status == 409, "\(status)")
                }
                try await Task.sleep(for: .milliseconds(5))
            }
            try await close(client, try client.location(rest), bytes)
        },
    ]
}
