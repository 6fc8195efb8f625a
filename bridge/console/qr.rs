//! A QR code as the path of an SVG: no image, no script, no style.

use qrcodegen::{QrCode, QrCodeEcc};

/// Modules that stay white around the code, as the standard asks.
const QUIET: i32 = 4;

/// A code as drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// Width and height of the view box.
    pub size: i32,
    /// The dark modules, a horizontal run each.
    pub path: String,
}

/// Draws a text. Nothing is drawn where it is too long for a code, which no address of ours is.
pub fn path(text: &str) -> Drawn {
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Medium) else {
        return Drawn { size: 1, path: String::new() };
    };
    let mut path = String::new();
    for y in 0..code.size() {
        let mut x = 0;
        while x < code.size() {
            let run = (x..code.size()).take_while(|x| code.get_module(*x, y)).count();
            let width = i32::try_from(run).unwrap_or_default();
            if width > 0 {
                path.push_str(&format!("M{} {}h{width}v1h-{width}z", x + QUIET, y + QUIET));
            }
            x += width + 1;
        }
    }
    Drawn { size: code.size() + 2 * QUIET, path }
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn the_finder_pattern_stands_in_the_corner() {
        let drawn = path("HELLO");
        // Version 1 has 21 modules; a finder pattern is 7 modules wide, its second row 1, 5 white, 1.
        assert_eq!(drawn.size, 21 + 8);
        assert!(drawn.path.starts_with("M4 4h7v1h-7z"), "{}", drawn.path);
        assert!(drawn.path.contains("M4 5h1v1h-1zM10 5h1v1h-1z"), "{}", drawn.path);
    }
}
