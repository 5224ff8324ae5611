import Images
import OCI

/// `image ls --tree`: which layers images share. A layer stands below the one it is stacked on; an image at its top layer.
enum ImageTree {
    private final class Node {
        let diffID: Digest
        var children: [Node] = []
        var images: [ImageSummary] = []
        init(_ diffID: Digest) { self.diffID = diffID }
    }

    static func text(_ images: [ImageSummary], noTruncation: Bool) -> String {
        let root = Node(Digest.sha256(of: []))
        for image in images {
            var node = root
            for diffID in image.layers {
                if let child = node.children.first(where: { $0.diffID == diffID }) {
                    node = child
                } else {
                    let child = Node(diffID)
                    node.children.append(child)
                    node = child
                }
            }
            node.images.append(image)
        }
        var text = ""
        for image in root.images { text += name(image) + "\n" }
        for (index, child) in root.children.enumerated() {
            write(child, "", index == root.children.count - 1, isTop: true, noTruncation, &text)
        }
        return text
    }

    private static func write(
        _ node: Node, _ indent: String, _ isLast: Bool, isTop: Bool, _ noTruncation: Bool, _ text: inout String
    ) {
        // Layers that only one image goes through are one line.
        var last = node
        var depth = 1
        while last.images.isEmpty, last.children.count == 1 {
            last = last.children[0]
            depth += 1
        }
        let digest = noTruncation ? last.diffID.description : last.diffID.short
        let layers = depth == 1 ? "layer \(digest)" : "\(depth) layers up to \(digest)"
        text += indent + (isTop ? "" : isLast ? "└─ " : "├─ ") + layers
        if !last.images.isEmpty { text += "  ◀ " + last.images.map(name).joined(separator: ", ") }
        text += "\n"
        let below = indent + (isTop ? "" : isLast ? "   " : "│  ")
        for (index, child) in last.children.enumerated() {
            write(child, below, index == last.children.count - 1, isTop: false, noTruncation, &text)
        }
    }

    private static func name(_ image: ImageSummary) -> String {
        let names = image.tags.isEmpty ? image.id.short : image.tags.map(\.familiar).joined(separator: ", ")
        let shared = image.sharedSize > 0 ? ", \(Units.size(image.sharedSize)) shared" : ""
        return "\(names) (\(Units.size(image.size))\(shared))"
    }
}
