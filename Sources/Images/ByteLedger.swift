import Content
import OCI
import Snapshots

/// Who needs which blobs and layers: tells what nobody needs any more when an image goes.
struct ByteLedger {
    private var blobs: [Digest: Int] = [:]
    private var layers: [Digest: Int] = [:]

    /// What an image needs here.
    struct Needs {
        var blobs: Set<Digest>
        /// By diffID.
        var layers: Set<Digest>

        init(_ image: StoredImage) {
            blobs = [image.config.digest]
            for manifest in image.manifests {
                blobs.insert(manifest.descriptor.digest)
                blobs.formUnion(manifest.layers.map(\.digest))
            }
            blobs.formUnion(image.references.map(\.target.digest))
            layers = Set(image.layers.map(\.diffID))
        }

        init(blobs: Set<Digest>, layers: Set<Digest>) {
            self.blobs = blobs
            self.layers = layers
        }
    }

    init(_ images: some Sequence<StoredImage>) { for image in images { hold(image) } }

    mutating func hold(_ image: StoredImage) {
        let needs = Needs(image)
        for blob in needs.blobs { blobs[blob, default: 0] += 1 }
        for layer in needs.layers { layers[layer, default: 0] += 1 }
    }

    /// Takes an image out; what it alone needed.
    mutating func release(_ image: StoredImage) -> Needs {
        let needs = Needs(image)
        func drop(_ digests: Set<Digest>, _ counts: inout [Digest: Int]) -> Set<Digest> {
            digests.filter { digest in
                let left = (counts[digest] ?? 1) - 1
                counts[digest] = left > 0 ? left : nil
                return left <= 0
            }
        }
        return Needs(blobs: drop(needs.blobs, &blobs), layers: drop(needs.layers, &layers))
    }

    var neededBlobs: Set<Digest> { Set(blobs.keys) }
    var neededLayers: Set<Digest> { Set(layers.keys) }
}

extension ImageService {
    /// The bytes that some blobs and layers take on disk.
    func storedBytes(_ needs: ByteLedger.Needs) -> Int64 {
        needs.blobs.reduce(0) { $0 + (blobs.size(of: $1) ?? 0) }
            + needs.layers.reduce(0) { $0 + ((try? driver.storedBytes(of: $1)) ?? 0) }
    }
}
