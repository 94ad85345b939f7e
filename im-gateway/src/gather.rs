//! One question at a time for all who have the same: whoever comes while it is under way waits for
//! the next time it is asked, together with all others that came meanwhile.
//!
//! So however many ask, a question is asked at most twice for each of them, and it never is asked
//! for somebody who came after it was answered.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Those that wait, by their question. Bounded by whoever lets sessions ask.
#[derive(Debug)]
pub(crate) struct Gather<K, W> {
    waiting: Mutex<HashMap<K, Vec<W>>>,
}

impl<K, W> Default for Gather<K, W> {
    fn default() -> Self {
        Self { waiting: Mutex::default() }
    }
}

impl<K: Clone + Eq + Hash, W> Gather<K, W> {
    /// Lets `waiter` wait for the answer to `question`. Who is first gets the turns, and has to ask.
    pub(crate) fn join(self: &Arc<Self>, question: &K, waiter: W) -> Option<Turns<K, W>> {
        let mut waiting = self.lock();
        if let Some(waiters) = waiting.get_mut(question) {
            waiters.push(waiter);
            return None;
        }
        waiting.insert(question.clone(), vec![waiter]);
        Some(Turns { gather: Arc::clone(self), question: question.clone(), over: false })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Vec<W>>> {
        // What is done under it is one insertion or removal: a panic leaves nothing half done.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to ask one question, for as long as somebody waits for its answer.
///
/// Dropped before that, it drops whoever waits.
#[derive(Debug)]
pub(crate) struct Turns<K: Clone + Eq + Hash, W> {
    gather: Arc<Gather<K, W>>,
    question: K,
    over: bool,
}

impl<K: Clone + Eq + Hash, W> Turns<K, W> {
    /// Those for whom it is to be asked now, the first that came first: as many as weigh at most
    /// `max` together, but at least one. `None` once nobody waits: the next that comes is first.
    pub(crate) fn next(&mut self, max: usize, weight: impl Fn(&W) -> usize) -> Option<Vec<W>> {
        let mut waiting = self.gather.lock();
        let waiters = waiting.get_mut(&self.question).filter(|waiters| !waiters.is_empty());
        let Some(waiters) = waiters else {
            waiting.remove(&self.question);
            self.over = true;
            return None;
        };
        let mut weighs = 0;
        let fit = waiters.iter().take_while(|waiter| {
            weighs += weight(waiter);
            weighs <= max
        });
        let fit = fit.count().max(1);
        let rest = waiters.split_off(fit);
        Some(std::mem::replace(waiters, rest))
    }
}

impl<K: Clone + Eq + Hash, W> Drop for Turns<K, W> {
    fn drop(&mut self) {
        if !self.over {
            self.gather.lock().remove(&self.question);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather() -> Arc<Gather<&'static str, u32>> {
        Arc::default()
    }

    #[test]
    fn who_comes_while_a_question_is_asked_waits_for_the_next_time() {
        let gather = gather();
        let mut turns = gather.join(&"a", 1).unwrap();
        assert!(gather.join(&"a", 2).is_none());
        assert_eq!(turns.next(10, |_| 1), Some(vec![1, 2]));
        assert!(gather.join(&"a", 3).is_none() && gather.join(&"a", 4).is_none());
        assert_eq!(turns.next(10, |_| 1), Some(vec![3, 4]));
        assert_eq!(turns.next(10, |_| 1), None);
        let mut again = gather.join(&"a", 5).expect("it is nobody's any more");
        drop(turns);
        assert_eq!(again.next(10, |_| 1), Some(vec![5]), "the former one has no say in it");
    }

    #[test]
    fn questions_have_nothing_to_do_with_each_other() {
        let gather = gather();
        let (mut a, mut b) = (gather.join(&"a", 1).unwrap(), gather.join(&"b", 2).unwrap());
        assert_eq!(a.next(10, |_| 1), Some(vec![1]));
        assert_eq!(b.next(10, |_| 1), Some(vec![2]));
    }

    #[test]
    fn what_is_too_much_for_once_goes_with_the_next() {
        let gather = gather();
        let mut turns = gather.join(&"a", 3).unwrap();
        for waiter in [4, 9, 1] {
            gather.join(&"a", waiter);
        }
        let weight = |waiter: &u32| *waiter as usize;
        assert_eq!(turns.next(7, weight), Some(vec![3, 4]));
        assert_eq!(turns.next(7, weight), Some(vec![9]), "one goes, however much it weighs");
        assert_eq!(turns.next(7, weight), Some(vec![1]));
        assert_eq!(turns.next(7, weight), None);
    }

    #[test]
    fn nobody_waits_for_turns_that_were_dropped() {
        let gather = Arc::new(Gather::<&str, tokio::sync::oneshot::Sender<()>>::default());
        let [(one, mut first), (two, mut second)] =
            [(); 2].map(|()| tokio::sync::oneshot::channel());
        let turns = gather.join(&"a", one).unwrap();
        gather.join(&"a", two);
        drop(turns);
        assert!(first.try_recv().is_err() && second.try_recv().is_err());
        assert!(gather.lock().is_empty());
    }
}
