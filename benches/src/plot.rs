//! Results as pictures: grouped bars in SVG, one colour for each program that was measured.

use std::path::Path;

use anyhow::anyhow;
use plotters::prelude::*;

/// One group of bars that stand beside each other.
#[derive(Debug)]
pub struct Group {
    /// What stands below it.
    pub label: String,
    /// A bar for each program that was measured so: its name and its value, above zero.
    pub bars: Vec<(String, f64)>,
}

/// A picture.
#[derive(Debug)]
pub struct Chart {
    /// What stands above it.
    pub title: String,
    /// From left to right.
    pub groups: Vec<Group>,
    /// Whether each step of the scale is ten times the one before.
    pub logarithmic: bool,
    /// A value as it stands above its bar.
    pub show: fn(f64) -> String,
}

const SIZE: (u32, u32) = (960, 420);
/// Room for the labels below the groups and for the title above.
const BELOW: i32 = 60;
const ABOVE: i32 = 60;
const SIDE: i32 = 30;
const TEXT: (&str, i32) = ("sans-serif", 13);
const TITLE: (&str, i32) = ("sans-serif", 18);
const VALUE: (&str, i32) = ("sans-serif", 11);
/// By the order in which programs first appear.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0x1f, 0x6f, 0xb4),
    RGBColor(0x6b, 0xae, 0xd6),
    RGBColor(0xe6, 0x7e, 0x22),
    RGBColor(0xf5, 0xb9, 0x7f),
    RGBColor(0x7f, 0x8c, 0x8d),
    RGBColor(0x8e, 0x6b, 0xbf),
    RGBColor(0x4d, 0x9d, 0x5b),
];

impl Chart {
    /// Draws it into a file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn draw(&self, path: &Path) -> anyhow::Result<()> {
        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        self.draw_on(&area).map_err(|error| anyhow!("drawing {}: {error}", path.display()))
    }

    fn draw_on<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, plotters::coord::Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let names = self.names();
        let (width, height) = (pixels(SIZE.0), pixels(SIZE.1));
        let base = height - BELOW;
        area.fill(&WHITE)?;
        area.draw(&Text::new(self.title.clone(), (SIDE, 14), TITLE))?;
        area.draw(&PathElement::new([(SIDE, base), (width - SIDE, base)], BLACK))?;

        let bars: usize = self.groups.iter().map(|group| group.bars.len()).sum();
        let slots = pixels(bars + self.groups.len()).max(1);
        let bar_width = (width - 2 * SIDE) / slots;
        let mut x = SIDE + bar_width / 2;
        for group in &self.groups {
            area.draw(&Text::new(group.label.clone(), (x, base + 8), TEXT))?;
            for (name, value) in &group.bars {
                let top = base - self.height_of(*value, base - ABOVE);
                let colour = names.iter().position(|known| known == name).unwrap_or(0);
                let style = COLOURS[colour % COLOURS.len()].filled();
                area.draw(&Rectangle::new([(x, top), (x + bar_width - 4, base)], style))?;
                area.draw(&Text::new((self.show)(*value), (x, top - 14), VALUE))?;
                x += bar_width;
            }
            x += bar_width;
        }
        self.legend(area, &names, height - 24)
    }

    fn legend<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, plotters::coord::Shift>,
        names: &[String],
        y: i32,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let step = (pixels(SIZE.0) - 2 * SIDE) / pixels(names.len()).max(1);
        for (index, name) in names.iter().enumerate() {
            let x = SIDE + step * pixels(index);
            let style = COLOURS[index % COLOURS.len()].filled();
            area.draw(&Rectangle::new([(x, y), (x + 12, y + 12)], style))?;
            area.draw(&Text::new(name.clone(), (x + 18, y), TEXT))?;
        }
        Ok(())
    }

    /// The programs, in the order in which they first appear.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (name, _) in self.groups.iter().flat_map(|group| &group.bars) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// How high a bar is where the highest has `full` pixels.
    fn height_of(&self, value: f64, full: i32) -> i32 {
        let values = || self.groups.iter().flat_map(|group| &group.bars).map(|(_, value)| *value);
        let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(0.0, f64::max));
        let part = if self.logarithmic {
            // The lowest bar has a height, too.
            let floor = (low / 2.0).log10();
            (value.log10() - floor) / (high.log10() - floor)
        } else {
            value / high
        };
        #[expect(clippy::cast_possible_truncation, reason = "pixels of a small picture")]
        let height = (part.clamp(0.0, 1.0) * f64::from(full)).round() as i32;
        height
    }
}

fn pixels(count: impl TryInto<i32>) -> i32 {
    count.try_into().unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(logarithmic: bool) -> Chart {
        let bars = vec![("one".to_owned(), 1000.0), ("two".to_owned(), 10.0)];
        let groups = vec![Group { label: "64 in flight".to_owned(), bars }];
        Chart { title: "calls".to_owned(), groups, logarithmic, show: |value| format!("{value}") }
    }

    #[test]
    fn the_highest_bar_is_full_and_the_others_keep_their_proportion() {
        assert_eq!(chart(false).height_of(1000.0, 300), 300);
        assert_eq!(chart(false).height_of(10.0, 300), 3);
        assert_eq!(chart(true).height_of(1000.0, 300), 300);
        assert!((20..60).contains(&chart(true).height_of(10.0, 300)));
    }

    #[test]
    fn a_picture_names_what_it_shows() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("chart.svg");
        chart(false).draw(&path).unwrap();
        let svg = std::fs::read_to_string(path).unwrap();
        for text in ["calls", "64 in flight", "one", "two", "1000"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
    }
}
