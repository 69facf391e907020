//! A selection from a mapped file, and one from parts that others hold, make the picks of the selection in memory.

use std::fs::{self, File};

use memmap2::Mmap;
use mlipselect_core::{
    Bayesian, BayesianScore, BoundedRows, Distance, Engine, Error, Fps, Known, News, OwnedRows, Parts, Pool, Posterior,
    Result, Rows, Selection, Sizes, View, Window, Windowed, Windows,
};

const LEN: usize = 12_000;
const DIM: usize = 24;

fn data() -> Vec<f32> {
    let noise = |k: usize| ((k as f64 * 12.9898).sin() * 43758.5453).fract() as f32;
    (0..LEN * DIM).map(|k| noise(k) / (1 + k % DIM) as f32).collect()
}

/// A file with the rows, mapped into memory.
fn mapped(data: &[f32], name: &str) -> Mmap {
    let path = std::env::temp_dir().join(format!("mlipselect-{name}-{}", std::process::id()));
    fs::write(&path, data.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    // SAFETY: nobody else knows the file.
    let map = unsafe { Mmap::map(&File::open(&path).unwrap()).unwrap() };
    fs::remove_file(&path).unwrap();
    map
}

/// The rows of a mapped file, in shards of 5000.
fn shards(map: &Mmap) -> Parts<View<'_, f32>> {
    // SAFETY: any bits are a float.
    let (_, data, _) = unsafe { map.align_to::<f32>() };
    let shard = |data| {
        // SAFETY: the file is mapped to be read.
        unsafe { View::new(data, data.len() / DIM, DIM).unwrap().in_file() }
    };
    Parts::new(data.chunks(5000 * DIM).map(shard).collect(), DIM).unwrap()
}

/// Parts of a pool that are asked one by one, as the workers of a cluster are.
struct Divided {
    parts: Vec<BoundedRows>,
    starts: Vec<usize>,
}

/// Some consecutive rows of a pool.
struct Part<'a>(&'a dyn Rows, usize, usize);

impl Rows for Part<'_> {
    fn len(&self) -> usize {
        self.2
    }
    fn dim(&self) -> usize {
        self.0.dim()
    }
    fn read(&self, index: usize, out: &mut [f64]) {
        self.0.read(self.1 + index, out);
    }
}

impl Divided {
    fn new(rows: &dyn Rows, size: usize) -> Self {
        let starts: Vec<usize> = (0..rows.len()).step_by(size).chain([rows.len()]).collect();
        let part = |pair: &[usize]| BoundedRows::variances(&Part(rows, pair[0], pair[1] - pair[0]), 300);
        Self { parts: starts.windows(2).map(part).collect(), starts }
    }
}

impl Windows for Divided {
    fn survey(&mut self, known: &Known) -> Result<()> {
        self.parts.iter_mut().try_for_each(|part| part.survey(known))
    }

    fn go_on(&mut self, _rows: &dyn Rows) -> Result<bool> {
        Ok(false)
    }

    fn observe(&mut self, news: &News) -> Result<()> {
        self.parts.iter_mut().try_for_each(|part| part.observe(news))
    }

    fn exclude(&mut self, candidates: &[usize]) {
        for (part, pair) in self.parts.iter_mut().zip(self.starts.windows(2)) {
            let own = candidates.iter().filter(|&&i| (pair[0]..pair[1]).contains(&i)).map(|i| i - pair[0]);
            part.exclude(&own.collect::<Vec<usize>>());
        }
    }

    fn window(&mut self, rows: &dyn Rows, size: usize, sharp: bool) -> Result<Window> {
        let (mut members, mut bounds, mut outside) = (Vec::new(), Vec::new(), f64::NEG_INFINITY);
        for (part, pair) in self.parts.iter_mut().zip(self.starts.windows(2)) {
            let found = part.window(&Part(rows, pair[0], pair[1] - pair[0]), size.div_ceil(2), sharp)?;
            members.extend(found.members.iter().map(|i| i + pair[0]));
            bounds.extend(found.bounds);
            outside = outside.max(found.outside);
        }
        Ok(Window { rows: OwnedRows::copied(rows, &members), members, bounds, outside })
    }
}

#[test]
fn picks_from_a_file_are_those_from_memory() {
    let data = data();
    let map = mapped(&data, "windowed");
    let (disk, memory) = (Pool::new(shards(&map)), Pool::new(View::new(&data, LEN, DIM).unwrap()));
    let Err(Error::Memory { needed, .. }) = Sizes::of_variances(disk.structures(), 0) else { panic!() };
    let prior = Posterior::isotropic(DIM, 1e-3, 1.0).unwrap();
    for score in [BayesianScore::Energy, BayesianScore::LogDet] {
        let mut there = Windowed::bayesian(&disk, prior.clone(), score, needed).unwrap();
        let mut here = Bayesian::new(prior.clone(), &score, &memory, Engine::Lazy).unwrap();
        // Those of another run are accepted first, then the survey is made bit by bit.
        here.advance(&memory, 80).unwrap();
        here.indices()[..10].iter().for_each(|&pick| there.accept(&disk, pick).unwrap());
        let mut steps = 0;
        while there.prepare(&disk).unwrap() {
            steps += 1;
        }
        assert!(steps > 1);
        there.advance(&disk, 70).unwrap();
        assert_eq!(there.indices(), here.indices());
        assert_eq!(there.scores(), here.scores());
        assert_eq!(there.information(), here.information());
    }
    let distance = Distance::default();
    let mut there = Windowed::fps(&disk, distance, None, needed).unwrap();
    let mut here = Fps::new(&memory, distance, None, Engine::Lazy).unwrap();
    there.advance(&disk, 80).unwrap();
    here.advance(&memory, 80).unwrap();
    assert_eq!(there.indices(), here.indices());
    assert_eq!(there.scores(), here.scores());
}

#[test]
fn it_does_not_matter_who_holds_the_rows() {
    let data = data();
    let pool = Pool::new(View::new(&data, LEN, DIM).unwrap());
    let prior = Posterior::isotropic(DIM, 1e-3, 1.0).unwrap();
    let sizes = Sizes { block: 300, window: 1000, largest: LEN, bytes: 0 };
    let windows = Box::new(Divided::new(pool.structures(), 4500));
    let mut there = Windowed::bayesian_with(&pool, prior.clone(), BayesianScore::Energy, windows, sizes).unwrap();
    let mut here = Bayesian::new(prior, &BayesianScore::Energy, &pool, Engine::Lazy).unwrap();
    there.advance(&pool, 60).unwrap();
    here.advance(&pool, 60).unwrap();
    assert_eq!(there.indices(), here.indices());
    assert_eq!(there.scores(), here.scores());
}
