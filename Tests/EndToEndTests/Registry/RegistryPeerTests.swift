import Linux
import TestSupport
import Testing

/// Images of every kind go in and come out of our registry with equal digests, whoever carries them.
struct RegistryPeerTests {
    private func run(_ body: (_ strata: StrataProcess, _ authority: String) async throws -> Void) async throws {
        let strata = try StrataProcess()
        _ = try await shell(
            """
            umoci init --layout image >/dev/null 2>&1
            for name in a b; do
                umoci new --image image:$name >/dev/null 2>&1 && mkdir -p $name && echo $name > $name/file &&
                tar -C $name -cf $name.tar . && umoci raw add-layer --image image:$name $name.tar >/dev/null 2>&1 || exit 1
            done
            """, strata)
        let served = try await ServedRegistry.start(strata)
        try await body(strata, served.authority)
        try served.stop()
        let check = try strata.run("registry", "check")
        #expect(check.status == 0, "\(check)")
    }

    private func shell(_ script: String, _ strata: StrataProcess) async throws -> String {
        let path = strata.directory.path
        return try await onThread(named: "shell") { try runShell("export HOME='\(path)/home'; \(script)", in: path) }
    }

    private func digest(_ reference: String, _ strata: StrataProcess) async throws -> String {
        try await shell(
            "skopeo inspect --tls-verify=false --raw docker://\(reference) | sha256sum | cut -d' ' -f1", strata)
    }

    @Test func strataPullsAndPushes() async throws {
        try await run { strata, authority in
            _ = try await shell(
                "skopeo copy -q --dest-tls-verify=false oci:image:a docker://\(authority)/peer/a:v1", strata)
            try strata.succeed("pull", "-q", "\(authority)/peer/a:v1")
            try strata.succeed("tag", "\(authority)/peer/a:v1", "\(authority)/other/a:v2")
            try strata.succeed("push", "-q", "\(authority)/other/a:v2")
            #expect(try await digest("\(authority)/peer/a:v1", strata) == digest("\(authority)/other/a:v2", strata))
            let pulls = try strata.succeed("registry", "events", "--format", "{{.Kind}} {{.Repository}}")
            #expect(pulls.contains("tag.created other/a"))
        }
    }

    @Test func dockersSchema2KeepsItsForm() async throws {
        try await run { strata, authority in
            let type = try await shell(
                """
                skopeo copy -q --format v2s2 --dest-tls-verify=false oci:image:a docker://\(authority)/s2:v1
                skopeo copy -q --src-tls-verify=false --dest-tls-verify=false docker://\(authority)/s2:v1 docker://\(authority)/copy:v1
                skopeo inspect --tls-verify=false --raw docker://\(authority)/copy:v1
                """, strata)
            #expect(type.contains("application/vnd.docker.distribution.manifest.v2+json"))
            #expect(try await digest("\(authority)/s2:v1", strata) == digest("\(authority)/copy:v1", strata))
            try strata.succeed("pull", "-q", "\(authority)/s2:v1")
        }
    }

    @Test func anIndexOfManyPlatforms() async throws {
        try await run { strata, authority in
            let script = """
                for name in a b; do
                    skopeo copy -q --dest-tls-verify=false oci:image:$name docker://\(authority)/multi:$name || exit 1
                    skopeo inspect --tls-verify=false --raw docker://\(authority)/multi:$name > $name.json
                done
                entry() {
                    printf '{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"platform":{"os":"linux","architecture":"%s"}}' \
                        $(sha256sum < $1.json | cut -d' ' -f1) $(stat -c %s $1.json) $2
                }
                printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s,%s]}' \
                    "$(entry a amd64)" "$(entry b arm64)" > index.json
                curl -fsS -X PUT -H 'Content-Type: application/vnd.oci.image.index.v1+json' --data-binary @index.json \
                    http://\(authority)/v2/multi/manifests/latest || exit 2
                skopeo copy -q --all --src-tls-verify=false --dest-tls-verify=false docker://\(authority)/multi:latest docker://\(authority)/mirror/multi:latest || exit 3
                skopeo copy -q --all --src-tls-verify=false docker://\(authority)/mirror/multi:latest dir:all || exit 4
                cmp all/manifest.json index.json && ls all | wc -l
                """
            // The manifest, two of platforms, each with a config and a layer, and the version file.
            #expect(try await shell(script, strata).hasSuffix("8\n"))
            #expect(
                try await digest("\(authority)/multi:latest", strata)
                    == digest("\(authority)/mirror/multi:latest", strata))
            try strata.succeed("pull", "-q", "\(authority)/mirror/multi:latest")
            let space = try strata.succeed("registry", "space", "multi", "--format", "{{.Tag}} {{.UniqueBytes}}")
            #expect(space.contains("latest 0\n"), "everything of it is shared: \(space)")
        }
    }

    /// Whoever pulls an image and pushes it elsewhere: its manifest is the same, byte for byte.
    @Test(arguments: ["oci", "docker"]) func everyClientCarriesTheSame(_ format: String) async throws {
        try await run { strata, authority in
            let stores = "--runroot $PWD/runroot --storage-driver vfs --root $PWD/"
            // Made and first pushed by buildah, which compresses as podman does.
            _ = try await shell(
                """
                buildah="buildah \(stores)made"
                container=$($buildah from scratch) && $buildah copy -q $container a /a >/dev/null && $buildah copy -q $container b /b >/dev/null &&
                    $buildah config --label made=yes --cmd /a/file $container &&
                    $buildah commit -q --format \(format) $container \(authority)/src:v1 >/dev/null &&
                    $buildah push -q --tls-verify=false \(authority)/src:v1 2>&1 || exit 1
                $buildah rm -a >/dev/null && $buildah rmi -af >/dev/null
                """, strata)
            let carriers = [
                ("skopeo", "skopeo copy -q --src-tls-verify=false --dest-tls-verify=false docker://SRC docker://DST"),
                (
                    "podman",
                    "podman \(stores)podman pull -q --tls-verify=false SRC && podman \(stores)podman push -q --tls-verify=false SRC DST"
                ),
                (
                    "buildah",
                    "buildah \(stores)buildah pull -q --tls-verify=false SRC && buildah \(stores)buildah push -q --tls-verify=false SRC DST"
                ),
            ]
            let digest = try await digest("\(authority)/src:v1", strata)
            var last = "\(authority)/src:v1"
            // Each takes what the one before it pushed.
            for (name, script) in carriers {
                let next = "\(authority)/by/\(name):v1"
                _ = try await shell(
                    "exec 2>&1; " + script.replacing("SRC", with: last).replacing("DST", with: next), strata)
                #expect(try await self.digest(next, strata) == digest, "\(format), \(name)")
                last = next
            }
            let next = "\(authority)/by/strata:v1"
            try strata.succeed("pull", "-q", last)
            try strata.succeed("tag", last, next)
            try strata.succeed("push", "-q", next)
            #expect(try await self.digest(next, strata) == digest, "\(format), strata")
            // And what strata pushed is pulled by all.
            _ = try await shell(
                """
                exec 2>&1
                for name in podman buildah; do
                    $name \(stores)last-$name pull -q --tls-verify=false \(next) || exit 2
                    $name \(stores)last-$name inspect \(next) | grep -q '"made": "yes"' || exit 3
                    $name \(stores)last-$name rmi -af; $name \(stores)$name rmi -af || exit 4
                done
                skopeo copy -q --src-tls-verify=false docker://\(next) dir:last && test -e last/manifest.json
                """, strata)
            let type = try await shell("skopeo inspect --tls-verify=false --raw docker://\(next)", strata)
            #expect(
                type.contains(
                    format == "oci" ? "vnd.oci.image.manifest.v1+json" : "vnd.docker.distribution.manifest.v2+json"))
        }
    }
}
