import Linux
import Synchronization
import Testing

struct ChannelTests {
    private struct Broken: Error, Equatable {}

    @Test func elementsArriveInOrderBetweenAThreadAndATask() async throws {
        let channel = Channel<Int>(capacity: 2)
        try startThread(named: "sender") {
            do {
                for number in 0..<1000 { try channel.sendBlocking(number) }
                channel.finish()
            } catch {
                channel.fail(error)
            }
        }
        var received: [Int] = []
        while let number = try await channel.receive() { received.append(number) }
        #expect(received == Array(0..<1000))
    }

    @Test(arguments: [(1, 1), (8, 4), (8, 8), (2, 9)])
    func elementsArriveInOrderBetweenThreads(capacity: Int, batch: Int) async throws {
        // Ends with less than a batch: its end wakes who sleeps.
        #expect(try await passed(1001, through: Channel(batch: batch) { capacity }) == Array(0..<1001))
    }

    /// Hands numbers from one thread to another.
    private func passed(_ count: Int, through channel: Channel<Int>) async throws -> [Int] {
        let receiver = try Worker<Int, [Int]>(named: "receiver", taking: channel) { channel in
            var received: [Int] = []
            while let number = try channel.receiveBlocking() { received.append(number) }
            return received
        }
        try await onThread(named: "sender") {
            for number in 0..<count { try receiver.sendBlocking(number) }
            receiver.end()
        }
        return try await receiver.value()
    }

    /// Whoever sleeps when the room changes is woken all the same.
    @Test func elementsArriveInOrderWhileTheRoomChanges() async throws {
        let asked = Mutex(0)
        let channel = Channel<Int>(batch: 8) {
            asked.withLock { asked in
                asked += 1
                return [4, 32, 12][asked / 7 % 3]
            }
        }
        #expect(try await passed(5001, through: channel) == Array(0..<5001))
    }

    @Test func aThreadThatWaitsForABatchIsWokenByAFailure() async throws {
        let channel = Channel<Int>(batch: 4) { 8 }
        let end = Channel<Void>(capacity: 1)
        try startThread(named: "receiver") {
            do { while try channel.receiveBlocking() != nil {} } catch { end.fail(error) }
        }
        try await channel.send(1)
        channel.fail(Broken())
        await #expect(throws: Broken.self) { try await end.receive() }
    }

    @Test func aTaskWaitsForAThreadThatIsBehind() async throws {
        let channel = Channel<Int>(capacity: 1)
        let sum = Channel<Int>(capacity: 1)
        try startThread(named: "receiver") {
            do {
                var total = 0
                while let number = try channel.receiveBlocking() { total += number }
                try sum.sendBlocking(total)
            } catch {
                sum.fail(error)
            }
        }
        for number in 1...500 { try await channel.send(number) }
        channel.finish()
        #expect(try await sum.receive() == 125_250)
    }

    @Test func aFailureReachesBothSides() async throws {
        let channel = Channel<Int>(capacity: 1)
        try await channel.send(1)
        channel.fail(Broken())
        await #expect(throws: Broken.self) { try await channel.receive() }
        await #expect(throws: Broken.self) { try await channel.send(2) }
    }

    @Test func aSenderThatWaitsIsWokenByAFailure() async throws {
        let channel = Channel<Int>(capacity: 1)
        try await channel.send(1)
        let second = Task { try await channel.send(2) }
        channel.fail(Broken())
        await #expect(throws: Broken.self) { try await second.value }
    }

    @Test func nothingGoesInAfterTheEndAndWhatWaitsComesOut() async throws {
        let channel = Channel<Int>(capacity: 4)
        try await channel.send(7)
        channel.finish()
        await #expect(throws: ChannelClosed.self) { try await channel.send(8) }
        #expect(try await channel.receive() == 7)
        #expect(try await channel.receive() == nil)
    }
}
