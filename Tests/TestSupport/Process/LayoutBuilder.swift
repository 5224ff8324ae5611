/// Builds OCI layouts with the shell's tar, igzip and sha256sum, for images too large to be made in memory.
package enum LayoutBuilder {
    /// Makes an image of tar files, base first, compressed fast; the layout's tag is `latest`.
    ///
    /// - Parameters:
    ///   - layout: the directory to make.
    ///   - layers: shell commands, each of which writes an uncompressed layer tar to its standard output.
    package static func image(in layout: String, layers: [String]) throws {
        var script = """
            set -eu
            blobs='\(layout)/blobs/sha256'
            mkdir -p "$blobs"
            store() { digest=$(sha256sum < "$1" | cut -c1-64); size=$(stat -c %s "$1"); mv "$1" "$blobs/$digest"; }
            layers= diffs= history=

            """
        for (number, command) in layers.enumerated() {
            let comma = number == 0 ? "" : ","
            script += """
                { \(command); } | tee >(sha256sum | cut -c1-64 > "$blobs/diff") | igzip -1 -c > "$blobs/new"
                while [ ! -s "$blobs/diff" ]; do sleep 0.01; done
                diffs="$diffs\(comma)\\"sha256:$(cat "$blobs/diff")\\""; rm "$blobs/diff"
                store "$blobs/new"
                layers="$layers\(comma){\\"mediaType\\":\\"application/vnd.oci.image.layer.v1.tar+gzip\\",\\"digest\\":\\"sha256:$digest\\",\\"size\\":$size}"
                history="$history\(comma){\\"created\\":\\"2026-01-01T00:00:00Z\\",\\"created_by\\":\\"layer \(number + 1)\\"}"

                """
        }
        script += """
            printf '{"created":"2026-01-01T00:00:00Z","architecture":"amd64","os":"linux","config":{"Cmd":["/bin/sh"]},"rootfs":{"type":"layers","diff_ids":[%s]},"history":[%s]}' "$diffs" "$history" > "$blobs/new"
            store "$blobs/new"
            printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[%s]}' "$digest" "$size" "$layers" > "$blobs/new"
            store "$blobs/new"
            printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"annotations":{"org.opencontainers.image.ref.name":"latest"}}]}' "$digest" "$size" > '\(layout)/index.json'
            printf '{"imageLayoutVersion":"1.0.0"}' > '\(layout)/oci-layout'

            """
        _ = try runShell("bash <<'SCRIPT'\n\(script)SCRIPT\n")
    }

    /// Pushes a layout's image with skopeo.
    package static func push(_ layout: String, to name: String) throws {
        _ = try runShell("skopeo copy -q --dest-tls-verify=false 'oci:\(layout):latest' 'docker://\(name)'")
    }

    /// A command that writes a tar of one file of that many MiB: half of it compresses away.
    package static func bigFile(mebibytes: Int, seed: Int) -> String {
        """
        d=$(mktemp -d); python3 - "$d/data" <<'P'
        import random, sys
        source = random.Random(\(seed))
        block = source.randbytes(1 << 19)
        with open(sys.argv[1], "wb") as file:
            for number in range(\(mebibytes)):
                file.write(number.to_bytes(8, "big") + block[8:] + bytes(1 << 19))
        P
        tar -C "$d" --owner=0 --group=0 --mtime=@0 -cf - data; rm -rf "$d"
        """
    }
}
