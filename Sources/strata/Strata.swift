import Commands

@main
struct Strata {
    static func main() async { await Program.main() }
}
