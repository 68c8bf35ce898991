//! The plot: duration of a run by number of changes, a panel for each database.

use std::path::Path;

use plotters::prelude::*;

use crate::table::Line;
use crate::tools::BoxError;

const SIZE: (u32, u32) = (1200, 420);

const COLOURS: [RGBColor; 7] = [
    RGBColor(170, 170, 170),
    RGBColor(120, 120, 120),
    RGBColor(214, 39, 110),
    RGBColor(44, 120, 60),
    RGBColor(31, 90, 180),
    RGBColor(200, 120, 20),
    RGBColor(110, 70, 160),
];

pub(crate) fn draw(file: &Path, lines: &[Line]) -> Result<(), BoxError> {
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut panels: Vec<&str> = lines.iter().map(|line| line.panel.as_str()).collect();
    panels.dedup();
    let mut names: Vec<&str> = Vec::new();
    for line in lines {
        if !names.contains(&line.name.as_str()) {
            names.push(&line.name);
        }
    }
    let points = || lines.iter().flat_map(|line| &line.points);
    let (left, right) = ends(points().map(|point| point.0));
    let (low, high) = ends(points().map(|point| point.1 * 1e3));
    for (part, panel) in area.split_evenly((1, panels.len())).iter().zip(&panels) {
        let mut chart = ChartBuilder::on(part)
            .caption(
                format!("{panel}: a run with nothing pending"),
                ("sans-serif", 16),
            )
            .margin(8)
            .x_label_area_size(32)
            .y_label_area_size(56)
            .build_cartesian_2d(
                (left..right).log_scale(),
                (low / 1.5..high * 1.5).log_scale(),
            )?;
        chart
            .configure_mesh()
            .x_desc("changes")
            .y_desc("milliseconds")
            .light_line_style(TRANSPARENT)
            .draw()?;
        for line in lines.iter().filter(|line| line.panel == *panel) {
            let colour = names.iter().position(|name| *name == line.name);
            let colour = COLOURS[colour.unwrap_or_default() % COLOURS.len()];
            let points = line
                .points
                .iter()
                .map(|(count, seconds)| (*count, seconds * 1e3));
            let series = LineSeries::new(points, colour.stroke_width(2)).point_size(3);
            chart
                .draw_series(series)?
                .label(line.name.clone())
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 14, y)], colour.stroke_width(2))
                });
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .label_font(("sans-serif", 11))
            .draw()?;
    }
    area.present()?;
    Ok(())
}

fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, 0.0), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}
