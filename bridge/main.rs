//! The program `renkei-bridge`: see [`renkei_bridge::cli`].

fn main() -> std::process::ExitCode {
    renkei_bridge::cli::run()
}
