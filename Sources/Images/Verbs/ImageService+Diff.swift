import OCI
import Snapshots

extension ImageService {
    package func diff(_ from: String, _ to: String) async throws -> [FileDifference] {
        try await CancelFlag.watching("diff") { flag in
            try Self.explaining {
                let old = try self.find(from).image
                let new = try self.find(to).image
                var difference = TreeDifference(
                    try MergedTree(old.layers.map(\.diffID), self.driver, flag),
                    try MergedTree(new.layers.map(\.diffID), self.driver, flag), LayerContent(self.driver, flag))
                return try difference.differences()
            }
        }
    }
}
