//! The client table: filters, pages, `latest`, counts.

use projection::{AsOf, ClientCount, ClientFilter, ListedClient, Store};
use registration::client::ClientState;

use super::story::{INTEGRATIONS, Notice, Story, variety};

const ALL: usize = 10_000;

/// Whether a client passes, told without a store.
pub fn passes(filter: &ClientFilter, listed: &ListedClient) -> bool {
    let client = &listed.client;
    let departments = client.departments.as_deref().unwrap_or_default();
    filter.integrations.as_ref().is_none_or(|seen| seen.contains(&client.integration))
        && filter.integration.as_ref().is_none_or(|asked| *asked == client.integration)
        && filter.tenant.as_ref().is_none_or(|asked| *asked == client.tenant)
        && filter.department.is_none_or(|asked| departments.contains(&asked))
        && filter.state.is_none_or(|asked| asked == client.state)
        && filter.latest.is_none_or(|asked| Some(asked) == client.latest)
}

/// Every combination of a few values for each filter.
fn filters() -> Vec<ClientFilter> {
    let [lab, pay] = INTEGRATIONS.map(str::to_owned);
    let seen = [None, Some(vec![]), Some(vec![pay.clone()]), Some(vec![lab.clone(), pay])];
    let mut filters = Vec::new();
    for integrations in seen {
        for integration in [None, Some(lab.clone())] {
            for tenant in [None, Some("provetcloud.com/8".to_owned())] {
                for department in [None, Some(4)] {
                    for state in [None, Some(ClientState::Active), Some(ClientState::Retired)] {
                        for latest in [None, Some(true), Some(false)] {
                            filters.push(ClientFilter {
                                integrations: integrations.clone(),
                                integration: integration.clone(),
                                tenant: tenant.clone(),
                                department,
                                state,
                                latest,
                            });
                        }
                    }
                }
            }
        }
    }
    filters
}

pub async fn filters_find_what_they_describe(store: &dyn Store) {
    let story = variety();
    story.commit_to(store).await;
    let table = story.table();
    for filter in filters() {
        let expected: Vec<_> = table.iter().filter(|listed| passes(&filter, listed)).cloned().collect();
        let now = store.clients(filter.clone(), None, ALL).await.unwrap();
        assert_eq!(now, expected, "{filter:?}");
        let heads = AsOf::Heads(vec![story.next(), 0]);
        let then = store.clients_as_of(heads, filter.clone(), None, ALL).await.unwrap();
        assert_eq!(then, expected, "as of now: {filter:?}");
    }
    for listed in table {
        let found = store.client(listed.client.id.clone()).await.unwrap();
        assert_eq!(found, Some(listed));
    }
    assert_eq!(store.client("c".to_owned()).await.unwrap(), None);
}

pub async fn pages_are_stable_while_rows_are_written(store: &dyn Store) {
    let mut stories = [Story::with_directory(), Story::new(1)];
    let mut ids = Vec::new();
    for story in &mut stories {
        for tenant in 0..5 {
            story.notice(Notice { tenant, ..Notice::default() });
        }
        story.commit_to(store).await;
        ids.extend(story.client_ids());
    }
    let mut seen: Vec<String> = Vec::new();
    let mut after = None;
    loop {
        let page = store.clients(ClientFilter::default(), after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.at);
        seen.extend(page.into_iter().map(|listed| listed.client.id));
        // Every row is written again between two pages, and keeps its place.
        for story in &mut stories {
            for tenant in 0..5 {
                let adds = Some(seen.len() as i64);
                let commit = story.notice(Notice { tenant, adds, ..Notice::default() });
                store.commit(commit.clone()).await.unwrap();
            }
        }
    }
    assert_eq!(seen, ids);
}

pub async fn the_latest_installation_of_a_tenant_is_known(store: &dyn Store) {
    let mut story = Story::with_directory();
    story.commit_to(store).await;
    let latest = async |store: &dyn Store| -> Vec<Option<bool>> {
        let all = store.clients(ClientFilter::default(), None, ALL).await.unwrap();
        all.into_iter().map(|listed| listed.client.latest).collect()
    };
    let cases = [
        (Notice { tenant: 1, ..Notice::default() }, vec![true]),
        (Notice { tenant: 1, integration: 1, ..Notice::default() }, vec![true, true]),
        (Notice { tenant: 2, ..Notice::default() }, vec![true, true, true]),
        (Notice { tenant: 1, installation: 1, ..Notice::default() }, vec![false, true, true, true]),
        // A notice to the older installation does not make it the latest.
        (Notice { tenant: 1, adds: Some(1), ..Notice::default() }, vec![false, true, true, true]),
    ];
    for (notice, expected) in cases {
        store.commit(story.notice(notice).clone()).await.unwrap();
        let expected: Vec<_> = expected.into_iter().map(Some).collect();
        assert_eq!(latest(store).await, expected, "{notice:?}");
    }
}

pub async fn departments_are_forgotten_when_they_leave(store: &dyn Store) {
    let mut story = Story::with_directory();
    story.commit_to(store).await;
    let notice = Notice::default();
    let cases = [
        (Notice { adds: Some(3), ..notice }, vec![3]),
        (Notice { adds: Some(9), ..notice }, vec![3, 9]),
        (Notice { removes: Some(3), ..notice }, vec![9]),
        (Notice { adds: Some(3), removes: Some(9), ..notice }, vec![3]),
        (Notice { removes: Some(3), ..notice }, vec![]),
    ];
    for (notice, expected) in cases {
        store.commit(story.notice(notice).clone()).await.unwrap();
        let mut found = Vec::new();
        for department in [3, 9] {
            let filter = ClientFilter { department: Some(department), ..ClientFilter::default() };
            if !store.clients(filter, None, ALL).await.unwrap().is_empty() {
                found.push(department);
            }
        }
        assert_eq!(found, expected, "{notice:?}");
    }
}

pub async fn clients_are_counted_by_state(store: &dyn Store) {
    variety().commit_to(store).await;
    let count = |integration: &str, state: ClientState, clients| ClientCount {
        integration: integration.to_owned(),
        state: state.as_str().to_owned(),
        clients,
    };
    let expected = [
        count("acme-lab", ClientState::Active, 4),
        count("acme-lab", ClientState::Inactive, 1),
        count("acme-lab", ClientState::Retired, 1),
        count("acme-pay", ClientState::Active, 6),
    ];
    assert_eq!(store.counts().await.unwrap(), expected);
}
