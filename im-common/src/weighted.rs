//! A queue in which some items go before others, but not for ever, and never before those that they
//! belong with.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

/// What an item is worth where several wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Priority {
    /// A quarter of what is normal.
    Low,
    /// What everything is that says nothing else.
    #[default]
    Normal,
    /// Four times as much.
    High,
    /// Sixteen times as much.
    Urgent,
}

/// How many there are.
const CLASSES: usize = 4;
const NORMAL: usize = Priority::Normal as usize;
/// What an item of each costs its class, for each unit of its size: the higher the rarer it is chosen.
const COSTS: [u64; CLASSES] = [64, 16, 4, 1];

/// What a [`WeightedQueue`] has to know of its items.
pub trait Weighed {
    /// Items with the same key keep their order. Not called where only normal items come.
    fn key(&self) -> u64;
    /// What it is worth, unless another item with its key waits.
    fn priority(&self) -> Priority;
    /// How much it takes of its class's share; 0 counts as 1.
    fn size(&self) -> usize;
}

/// A FIFO for each [`Priority`], of which the next item is taken by weight: while all of them hold
/// items, a class gets four times as much as the one below it, and an idle class saves nothing up.
///
/// An item joins the class in which others with its key wait, whatever its own, so what belongs
/// together keeps its order. Before anything but normal items waits this is a plain FIFO: no key is looked at.
#[derive(Debug)]
pub struct WeightedQueue<T> {
    classes: [VecDeque<T>; CLASSES],
    /// What each class has been charged for.
    charged: [u64; CLASSES],
    /// The highest charge so far of an item that was taken: whoever was idle begins there.
    now: u64,
    /// From when anything but normal items waits until nothing does: in which class those of each key are, and how many.
    keys: Option<HashMap<u64, Kept, BuildHasherDefault<AsItIs>>>,
}

#[derive(Debug)]
struct Kept {
    class: usize,
    items: usize,
}

impl<T> Default for WeightedQueue<T> {
    fn default() -> Self {
        let classes = std::array::from_fn(|_| VecDeque::new());
        Self { classes, charged: [0; CLASSES], now: 0, keys: None }
    }
}

impl<T: Weighed> WeightedQueue<T> {
    /// Items that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.classes.iter().map(VecDeque::len).sum()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.iter().all(VecDeque::is_empty)
    }

    /// Adds an item behind those of its class.
    pub fn push(&mut self, item: T) {
        let priority = item.priority() as usize;
        if self.keys.is_none() && priority != NORMAL {
            self.begin_keys();
        }
        let class = match &mut self.keys {
            None => NORMAL,
            Some(keys) => {
                let of = keys.entry(item.key()).or_insert(Kept { class: priority, items: 0 });
                of.items += 1;
                of.class
            }
        };
        if self.classes[class].is_empty() {
            self.charged[class] = self.charged[class].max(self.now);
        }
        self.classes[class].push_back(item);
    }

    /// The item that is next.
    #[must_use]
    pub fn front(&self) -> Option<&T> {
        self.classes[self.next()?.1].front()
    }

    /// Takes the item that is next: the [`front`](Self::front).
    pub fn pop(&mut self) -> Option<T> {
        let (charge, class) = self.next()?;
        (self.charged[class], self.now) = (charge, charge);
        self.take_from(class)
    }

    /// Takes the oldest item of the lowest class that has any.
    pub fn pop_lowest(&mut self) -> Option<T> {
        let class = self.classes.iter().position(|class| !class.is_empty())?;
        self.take_from(class)
    }

    /// The class that is next, and what it will have been charged for with its item.
    fn next(&self) -> Option<(u64, usize)> {
        let charge = |class: usize| {
            let size = self.classes[class].front()?.size().max(1) as u64;
            Some((self.charged[class] + COSTS[class] * size, class))
        };
        // Of two that are equal the higher class.
        (0..CLASSES).filter_map(charge).min_by_key(|(charge, class)| (*charge, CLASSES - class))
    }

    fn take_from(&mut self, class: usize) -> Option<T> {
        let item = self.classes[class].pop_front()?;
        if let Some(keys) = &mut self.keys {
            let key = item.key();
            if let Some(of) = keys.get_mut(&key) {
                of.items -= 1;
                if of.items == 0 {
                    keys.remove(&key);
                }
            }
        }
        // Not as soon as all are normal: the next that is not would look at all of them again.
        if self.is_empty() {
            self.keys = None;
        }
        Some(item)
    }

    /// From now on it is known where the items of each key are: all that wait are normal.
    fn begin_keys(&mut self) {
        let mut keys: HashMap<u64, Kept, _> = HashMap::default();
        for item in &self.classes[NORMAL] {
            keys.entry(item.key()).or_insert(Kept { class: NORMAL, items: 0 }).items += 1;
        }
        self.keys = Some(keys);
    }
}

/// Keys are hashes already.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Not called for a `u64`.
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::Priority::{High, Low, Normal, Urgent};
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Item {
        key: u64,
        priority: Priority,
        size: usize,
        number: usize,
    }

    impl Weighed for Item {
        fn key(&self) -> u64 {
            self.key
        }

        fn priority(&self) -> Priority {
            self.priority
        }

        fn size(&self) -> usize {
            self.size
        }
    }

    fn item(key: u64, priority: Priority) -> Item {
        Item { key, priority, size: 1, number: 0 }
    }

    fn taken(queue: &mut WeightedQueue<Item>, count: usize) -> Vec<Item> {
        (0..count).map_while(|_| queue.pop()).collect()
    }

    fn of(taken: &[Item], priority: Priority) -> usize {
        taken.iter().filter(|item| item.priority == priority).map(|item| item.size).sum()
    }

    #[test]
    fn each_class_gets_four_times_as_much_as_the_one_below_it_and_none_starves() {
        let mut queue = WeightedQueue::default();
        for (first, priority) in [(0, Low), (1_000, Normal), (2_000, High), (3_000, Urgent)] {
            (first..first + 1_000).for_each(|key| queue.push(item(key, priority)));
        }
        let first = taken(&mut queue, 850);
        let shares = [Low, Normal, High, Urgent].map(|priority| of(&first, priority));
        assert_eq!(shares, [10, 40, 160, 640]);
        assert_eq!(queue.len(), 3_150);
        assert_eq!(taken(&mut queue, 9_999).len(), 3_150);
        assert!(queue.is_empty());
    }

    #[test]
    fn what_is_large_counts_for_more() {
        let mut queue = WeightedQueue::default();
        for key in 0..100 {
            queue.push(Item { size: 16, ..item(key, High) });
            queue.push(item(100 + key, Normal));
        }
        let first = taken(&mut queue, 25);
        assert_eq!((of(&first, High), of(&first, Normal)), (80, 20));
    }

    #[test]
    fn what_belongs_together_keeps_its_order_and_goes_with_the_first_of_it() {
        let mut queue = WeightedQueue::default();
        for key in 1..=3 {
            queue.push(item(key, Normal));
        }
        queue.push(item(2, Urgent));
        queue.push(item(4, Urgent));
        queue.push(item(4, Low));
        let keys: Vec<(u64, Priority)> =
            taken(&mut queue, 9).iter().map(|item| (item.key, item.priority)).collect();
        let expected = [(4, Urgent), (4, Low), (1, Normal), (2, Normal), (3, Normal), (2, Urgent)];
        assert_eq!(keys, expected);
    }

    #[test]
    fn an_idle_class_saves_nothing_up() {
        let mut queue = WeightedQueue::default();
        for key in 0..1_000 {
            queue.push(item(key, Normal));
        }
        taken(&mut queue, 500);
        for key in 1_000..1_100 {
            queue.push(item(key, Low));
        }
        assert_eq!(of(&taken(&mut queue, 50), Low), 10);
    }

    #[test]
    fn the_oldest_of_the_lowest_goes_first_where_there_is_no_room() {
        let mut queue = WeightedQueue::default();
        for (key, priority) in [(1, Urgent), (2, Low), (3, Low), (4, Normal)] {
            queue.push(item(key, priority));
        }
        let gone: Vec<u64> =
            std::iter::from_fn(|| queue.pop_lowest()).map(|item| item.key).collect();
        assert_eq!(gone, [2, 3, 4, 1]);
    }

    /// Whatever comes when: nothing is lost, the front is what is taken, and no key's items change places.
    #[test]
    fn random_histories_keep_every_item_and_every_order() {
        for seed in 0..50 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut queue = WeightedQueue::default();
            let mut last: HashMap<u64, usize> = HashMap::new();
            let (mut pushed, mut taken) = (0, 0);
            for _ in 0..2_000 {
                if random.u8(0..100) < 52 {
                    pushed += 1;
                    // Sometimes long runs of normal items only.
                    let others = random.u8(0..4) == 0 && pushed % 400 > 200;
                    let priority =
                        if others { [Low, High, Urgent][random.usize(0..3)] } else { Normal };
                    let key = random.u64(0..12);
                    queue.push(Item { key, priority, size: random.usize(0..5), number: pushed });
                } else {
                    let front = queue.front().copied();
                    let item = if random.u8(0..9) == 0 { queue.pop_lowest() } else { queue.pop() };
                    let Some(Item { key, number, .. }) = item else { continue };
                    taken += 1;
                    assert!(front.is_some());
                    let before = last.insert(key, number).unwrap_or(0);
                    assert!(before < number, "seed {seed}: {before} before {number}");
                }
                assert_eq!(queue.len(), pushed - taken, "seed {seed}");
            }
            let front = queue.front().copied();
            assert_eq!(front, queue.pop());
        }
    }
}
