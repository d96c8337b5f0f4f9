//! Frames of a game as PNG files and as an animated GIF, enlarged without blurring.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};
use eyas_core::Image;
use image::{ExtendedColorType, ImageEncoder as _, codecs::png::PngEncoder};

/// Hundredths of a second a frame is shown, and the last frame of an episode.
const DELAY: u16 = 50;
const LAST_DELAY: u16 = 200;

/// Where the frames of a game go: a folder of PNG files, a GIF, both or neither.
pub(crate) struct Frames {
    folder: Option<PathBuf>,
    gif: Option<GifFile>,
    scale: u32,
}

impl Frames {
    /// Creates `folder` where it is missing, and the GIF file. `scale` is the side of a pixel.
    ///
    /// # Errors
    /// When folder or file cannot be created.
    pub(crate) fn new(folder: Option<&Path>, gif: Option<&Path>, scale: u32) -> anyhow::Result<Self> {
        if let Some(folder) = folder {
            fs::create_dir_all(folder).map_err(|error| {
                anyhow!(
                    "cannot create the folder {}: {error}\nhint: --frames wants a folder",
                    folder.display()
                )
            })?;
        }
        let gif = gif.map(GifFile::create).transpose()?;
        Ok(Self { folder: folder.map(Path::to_path_buf), gif, scale: scale.max(1) })
    }

    /// False when frames go nowhere, so that none need be drawn.
    pub(crate) fn wanted(&self) -> bool {
        self.folder.is_some() || self.gif.is_some()
    }

    /// Adds the frame before `turn` of `episode`; `last` where the episode is over.
    ///
    /// # Errors
    /// When a file cannot be written or the picture does not fit into a GIF.
    pub(crate) fn add(
        &mut self,
        image: &Image,
        episode: usize,
        turn: usize,
        last: bool,
    ) -> anyhow::Result<()> {
        if let Some(folder) = &self.folder {
            let path = folder.join(format!("episode-{episode:03}-turn-{turn:03}.png"));
            write_png(image, self.scale, &path)?;
        }
        match &mut self.gif {
            Some(gif) => gif.add(image, self.scale, if last { LAST_DELAY } else { DELAY }),
            None => Ok(()),
        }
    }

    /// Completes the files.
    ///
    /// # Errors
    /// When the GIF cannot be written to its end.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        match self.gif {
            Some(gif) => gif.finish(),
            None => Ok(()),
        }
    }
}

/// `values` (`width × height` entries of `N` bytes) with every entry repeated `scale` times both ways.
fn enlarged(values: &[u8], width: usize, entry: usize, scale: u32) -> Vec<u8> {
    let scale = scale as usize;
    let mut out = Vec::with_capacity(values.len() * scale * scale);
    for row in values.chunks_exact(width * entry) {
        let wide: Vec<u8> = row.chunks_exact(entry).flat_map(|e| e.repeat(scale)).collect();
        out.extend_from_slice(&wide.repeat(scale));
    }
    out
}

fn write_png(image: &Image, scale: u32, path: &Path) -> anyhow::Result<()> {
    let pixels = enlarged(image.pixels(), image.width() as usize, 3, scale);
    let mut bytes = Vec::new();
    let (width, height) = (image.width() * scale, image.height() * scale);
    PngEncoder::new(&mut bytes).write_image(&pixels, width, height, ExtendedColorType::Rgb8)?;
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

struct GifFile {
    path: PathBuf,
    file: fs::File,
    encoder: Option<gif::Encoder<Vec<u8>>>,
    size: (u16, u16),
}

impl GifFile {
    fn create(path: &Path) -> anyhow::Result<Self> {
        // The file is opened before the game is played: a path that cannot be written should not cost a game.
        let file = fs::File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path: path.to_path_buf(), file, encoder: None, size: (0, 0) })
    }

    fn add(&mut self, image: &Image, scale: u32, delay: u16) -> anyhow::Result<()> {
        let side = |pixels: u32| u16::try_from(u64::from(pixels) * u64::from(scale)).ok();
        let (Some(width), Some(height)) = (side(image.width()), side(image.height())) else {
            let (w, h) = (image.width(), image.height());
            bail!(
                "a picture of {w}x{h} at scale {scale} is too large for a GIF\nhint: use a smaller --scale"
            );
        };
        let encoder = match &mut self.encoder {
            Some(encoder) => {
                let (w, h) = self.size;
                ensure!(
                    (w, h) == (width, height),
                    "the picture's size changed from {w}x{h} to {width}x{height}"
                );
                encoder
            }
            None => {
                let mut encoder = gif::Encoder::new(Vec::new(), width, height, &[])?;
                encoder.set_repeat(gif::Repeat::Infinite)?;
                self.size = (width, height);
                self.encoder.insert(encoder)
            }
        };
        // Colours are chosen at the picture's own size, which is exact up to 256 of them and far faster.
        let small = gif::Frame::from_rgb(width / scale as u16, height / scale as u16, image.pixels());
        let indices = enlarged(&small.buffer, image.width() as usize, 1, scale);
        let frame = gif::Frame { width, height, delay, buffer: indices.into(), ..small };
        encoder.write_frame(&frame)?;
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<()> {
        if let Some(encoder) = self.encoder {
            let bytes = encoder.into_inner()?;
            self.file.write_all(&bytes).with_context(|| format!("cannot write {}", self.path.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(seed: u8) -> Image {
        Image::new(2, 2, vec![seed, 0, 0, 0, 200, 0, 0, 0, 200, 9, 9, 9]).unwrap()
    }

    #[test]
    fn entries_repeat_both_ways() {
        assert_eq!(enlarged(&[1, 2, 3, 4], 2, 1, 2), [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]);
        assert_eq!(enlarged(&[1, 2, 3, 4], 1, 2, 2), [1, 2, 1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4, 3, 4]);
    }

    #[test]
    fn png_and_gif_hold_the_enlarged_pixels() {
        let folder = tempfile::tempdir().unwrap();
        let (frames, gif) = (folder.path().join("a/b"), folder.path().join("x.gif"));
        let mut out = Frames::new(Some(&frames), Some(&gif), 3).unwrap();
        assert!(out.wanted());
        out.add(&picture(100), 0, 0, false).unwrap();
        out.add(&picture(50), 0, 1, true).unwrap();
        out.finish().unwrap();

        let png = image::open(frames.join("episode-000-turn-001.png")).unwrap().to_rgb8();
        assert_eq!(
            (png.dimensions(), png.get_pixel(2, 2).0, png.get_pixel(3, 2).0),
            ((6, 6), [50, 0, 0], [0, 200, 0])
        );

        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut reader = options.read_info(fs::File::open(&gif).unwrap()).unwrap();
        let mut seen = Vec::new();
        while let Some(frame) = reader.read_next_frame().unwrap() {
            seen.push((frame.width, frame.height, frame.delay, frame.buffer[..4].to_vec()));
        }
        assert_eq!(seen, [(6, 6, 50, vec![100, 0, 0, 255]), (6, 6, 200, vec![50, 0, 0, 255])]);
    }

    #[test]
    fn what_cannot_be_written_is_said_at_once() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Frames::new(None, Some(folder.path()), 1).is_err());
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Frames::new(Some(&file), None, 1).err().map(|e| e.to_string()).unwrap();
        assert!(error.contains("hint:"), "{error}");
        assert!(!Frames::new(None, None, 1).unwrap().wanted());
    }

    #[test]
    fn a_picture_too_large_for_a_gif_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut out = Frames::new(None, Some(&folder.path().join("x.gif")), 40_000).unwrap();
        assert!(out.add(&picture(1), 0, 0, false).unwrap_err().to_string().contains("--scale"));
    }
}
