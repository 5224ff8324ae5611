/// A thread of our own that takes elements in order and gives one value at their end.
///
/// Its owner hands the elements over and waits for the value, from a task or from a thread; whoever drops it stops it.
package final class Worker<Element: Sendable, Value: Sendable>: Sendable {
    private let elements: Channel<Element>
    private let outcome = Channel<Value>(capacity: 1)

    /// - Parameters:
    ///   - capacity: how many elements may wait.
    ///   - body: receives until the elements end; what it throws is thrown to whoever sends or waits for the value.
    /// - Throws: where the system has no more threads.
    package convenience init(
        named name: String, capacity: Int, _ body: @escaping @Sendable (Channel<Element>) throws -> Value
    ) throws(SystemError) {
        try self.init(named: name, taking: Channel(capacity: capacity), body)
    }

    /// - Parameter elements: the way to this worker, of no other use.
    package init(
        named name: String, taking elements: Channel<Element>,
        _ body: @escaping @Sendable (Channel<Element>) throws -> Value
    ) throws(SystemError) {
        self.elements = elements
        try startThread(named: name) { [elements, outcome] in
            do {
                try outcome.sendBlocking(try body(elements))
                outcome.finish()
            } catch {
                elements.fail(error)
                outcome.fail(error)
            }
        }
    }

    deinit { fail(CancellationError()) }

    /// Hands an element over; waits while the thread is behind.
    package func send(_ element: Element) async throws { try await elements.send(element) }

    /// The same from a thread of our own.
    package func sendBlocking(_ element: Element) throws { try elements.sendBlocking(element) }

    /// No more elements come.
    package func end() { elements.finish() }

    /// Stops early: what waits is dropped.
    package func fail(_ error: any Error) { elements.fail(error) }

    /// Waits until the thread is through, and touches nothing any more.
    package func value() async throws -> Value {
        guard let value = try await outcome.receive() else { throw ChannelClosed() }
        return value
    }

    /// The same from a thread of our own.
    package func valueBlocking() throws -> Value {
        guard let value = try outcome.receiveBlocking() else { throw ChannelClosed() }
        return value
    }
}
