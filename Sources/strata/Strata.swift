import Commands

@main
struct Strata {
    static func main() { Program.main() }
}
