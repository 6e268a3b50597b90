//! Tokens and keys; and a rack's BMCs, which are in one hand.

use crate::bed::Bed;
use crate::fleet::{by, name, sync};
use reconciler_store::{AgentKey, HandOver, NewToken, TokenFault};
use schema_ids::{Digest, Timestamp};
use std::time::Duration;

fn key(n: u8) -> AgentKey {
    AgentKey {
        key: Digest([n; 32]),
        root: Digest([100; 32]),
        ends: Timestamp::from_unix_ms(1_800_000_000_000),
        recipient: format!("age1{n}"),
    }
}

async fn mint(bed: &Bed, token: u8, agent: &str) {
    let new = NewToken {
        digest: Digest([token; 32]),
        agent: &name(agent),
        lasts: Duration::from_secs(3600),
    };
    bed.mint_token(new, &by()).await.unwrap();
}

#[tokio::test]
async fn of_two_keys_with_one_token_one_is_enrolled() {
    let bed = Bed::new().await;
    mint(&bed, 1, "r1").await;
    let rival = bed.another().await;
    let token = Digest([1; 32]);
    let (first, second) = (key(1), key(2));
    let (one, two) = tokio::join!(bed.enrol(token, &first), rival.enrol(token, &second));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    let (winner, refused) = if one.is_ok() {
        (&first, two)
    } else {
        (&second, one)
    };
    assert!(matches!(refused, Err(TokenFault::Used { .. })), "{refused:?}");
    let again = bed.enrol(token, winner).await.unwrap();
    assert_eq!(again, Ok(name("r1")), "an answer that was lost is given again");
    assert_eq!(bed.enrolled().await.unwrap().len(), 1);

    // Replaced: the token that brought the key in brings it in no more.
    mint(&bed, 2, "r1").await;
    bed.enrol(Digest([2; 32]), &key(3)).await.unwrap().unwrap();
    assert_eq!(bed.enrol(token, winner).await.unwrap(), Err(TokenFault::KeyEnded));
    let owner = bed.key_owner(winner.key).await.unwrap().unwrap();
    assert_eq!(owner.ended.map(|(_, how)| how).as_deref(), Some("replaced"));
    // A key that has ended enrols under no name again, and its token stays unused.
    mint(&bed, 3, "r2").await;
    assert_eq!(
        bed.enrol(Digest([3; 32]), winner).await.unwrap(),
        Err(TokenFault::KeyEnded)
    );
    assert_eq!(
        bed.token(Digest([3; 32]), Digest([9; 32])).await.unwrap(),
        Ok(name("r2"))
    );
}

/// Of enrolling and revoking that meet, either the key is revoked or its token brings in nothing.
#[tokio::test]
async fn who_enrols_while_the_name_is_revoked_is_not_in() {
    for enrols_first in [true, false] {
        let bed = Bed::new().await;
        mint(&bed, 1, "r1").await;
        bed.enrol(Digest([1; 32]), &key(1)).await.unwrap().unwrap();
        mint(&bed, 2, "r1").await;
        let key_before = bed.token_key().await.unwrap();
        let (newcomer, agent, by) = (key(2), name("r1"), by());
        // Both stand in line behind this one, in the order wanted.
        let mut gate = bed.raw.begin().await.unwrap();
        let lock = sqlx::query("SELECT FROM agent_token WHERE used_by IS NULL FOR UPDATE");
        lock.execute(&mut *gate).await.unwrap();
        let enrolled = async {
            bed.waiting(if enrols_first { 0 } else { 1 }).await;
            bed.enrol(Digest([2; 32]), &newcomer).await.unwrap()
        };
        let revoked = async {
            bed.waiting(if enrols_first { 1 } else { 0 }).await;
            bed.revoke_agent(&agent, &by).await.unwrap()
        };
        let open = async {
            bed.waiting(2).await;
            gate.commit().await.unwrap();
        };
        let (enrolled, revoked, ()) = tokio::join!(enrolled, revoked, open);
        assert!(revoked);
        assert_ne!(
            bed.token_key().await.unwrap(),
            key_before,
            "it knew the key of tokens"
        );
        let still = bed
            .number("SELECT count(*) FROM agent_key WHERE ended IS NULL")
            .await;
        assert_eq!(still, 0, "{enrolled:?} when enrolling first: {enrols_first}");
        assert_eq!(enrolled.is_ok(), enrols_first);
    }
}

#[tokio::test]
async fn bmcs_change_hands_once_and_not_while_their_holder_is_heard() {
    let bed = Bed::new().await;
    let (rack, a, b) = (name("rack"), name("a"), name("b"));
    let give = async |from: Option<&_>, to, silence| {
        let wish = HandOver {
            rack: &rack,
            from,
            to,
            silence: Duration::from_secs(silence),
        };
        bed.hand_over_bmcs(&wish, &by()).await.unwrap()
    };
    assert!(give(None, Some(&a), 90).await);
    assert!(!give(None, Some(&b), 90).await, "it is taken");
    let first = bed.bmc_roles().await.unwrap()[&rack].clone();
    assert_eq!((first.agent.as_ref(), first.epoch), (Some(&a), 1));

    // Whoever decided on older news is told so here: the holder was heard meanwhile.
    bed.append_facts(&sync("a", Vec::new())).await.unwrap();
    assert!(!give(Some(&first), Some(&b), 90).await);
    assert!(give(Some(&first), Some(&b), 0).await);
    assert!(!give(Some(&first), Some(&b), 0).await, "twice changes nothing");
    let second = bed.bmc_roles().await.unwrap()[&rack].clone();
    assert_eq!((second.agent.as_ref(), second.epoch), (Some(&b), 2));

    // Another host of its name: what the former one was told must be over first.
    for n in [1, 2] {
        mint(&bed, n, "b").await;
        bed.enrol(Digest([n; 32]), &key(n)).await.unwrap().unwrap();
        let role = bed.bmc_roles().await.unwrap()[&rack].clone();
        assert_eq!(role.agent, (n == 1).then(|| b.clone()), "after enrolment {n}");
    }
    let rests = bed.bmc_roles().await.unwrap()[&rack].clone();
    assert!(
        !give(Some(&second), Some(&a), 0).await,
        "it is in nobody's hand since"
    );
    assert!(give(Some(&rests), Some(&b), 0).await);
    let second = bed.bmc_roles().await.unwrap()[&rack].clone();

    // To take it away needs no silence; nobody has it then.
    bed.append_facts(&sync("b", Vec::new())).await.unwrap();
    assert!(give(Some(&second), None, 90).await);
    assert_eq!(bed.bmc_roles().await.unwrap()[&rack].agent, None);
}
